"""The development loop: build, run, watch; and when something is saved, build and swap, or run anew.

One thread reads one mailbox, so there is nothing to lock. The watch, the builder, swaps and runs have threads of their
own and only post what happened.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from weft.core.clock import monotonic
from weft.core.errors import UsageError, WeftError
from weft.dev import events
from weft.dev.builder import Builder
from weft.dev.messages import Checked, Interrupted, Message, Outcome, RunEnded, RunReady, Saved, SwapNews
from weft.dev.player import Player, Tell, file_digest
from weft.dev.shape import changed_functions, same_shape
from weft.dev.sources import Sources, absolute, sources_of
from weft.dev.target import Target
from weft.dev.watch import Watch
from weft.flow.summary import Summary
from weft.flow.validate import validate_pipeline
from weft.spec.pipeline import PipelineSpec

LOOK_EVERY_S = 0.25
"""A signal that comes just as the main thread begins to wait is only seen when it wakes."""


class Session:
    """Develops one pipeline until it is interrupted.

    Args:
        target: which.
        tell: is told what happens, on the thread that calls :meth:`run`; what it raises ends the session.
        debug: build functions for the debugger.
    """

    def __init__(self, target: Target, tell: Tell, *, debug: bool = False) -> None:
        self._target = target
        self._heard = tell
        self._news = False
        self._mailbox: SimpleQueue[Message] = SimpleQueue()
        self._watch = Watch(lambda paths: self._mailbox.put(Saved(paths)))
        self._builder = Builder(self._mailbox.put, debug=debug)
        self._player = Player(target, self._mailbox.put, self._tell)
        self._sources = Sources()
        self._spec: PipelineSpec | None = None
        self._stamps: dict[Path, object] = {}
        self._unbuilt: set[Path] = set()
        self._wanted: PipelineSpec | None = None
        self._checking = 0
        self._stopping = False

    def interrupt(self, reason: str) -> None:
        """End the session: what is queued drains; the second time, give it up. Safe in a signal handler."""
        self._mailbox.put(Interrupted(reason))

    def run(self) -> Summary | None:
        """Develop until interrupted; the summary of the last run, if there was one.

        Raises DocumentError and NotFoundError for a document that cannot be read to begin with, and UnavailableError
        where files cannot be watched. Later mistakes are only told.
        """
        try:
            self._begin()
            while self._player.active or not self._stopping:
                self._react()
        finally:
            self._watch.close()
            self._player.close()
            self._builder.close()
        return self._player.summary

    def _begin(self) -> None:
        self._look(self._target.read(check_files=False))
        if not self._unbuilt:
            self._player.start()
        self._wait()

    def _react(self) -> None:
        try:
            message = self._mailbox.get(timeout=LOOK_EVERY_S)
        except Empty:
            return
        match message:
            case Interrupted(reason):
                self._stopping = True
                self._player.interrupt(reason)
            case RunReady(run):
                self._player.on_ready(run)
            case RunEnded(run):
                self._player.on_ended(run)
            case SwapNews(swap, state):
                self._player.on_swap(swap, state)
            case _ if self._stopping:
                return
            case Saved(paths):
                self._on_saved(paths)
            case Outcome():
                self._on_built(message)
            case Checked(spec, error):
                self._on_checked(spec, error)
        self._wait()

    # --- what happens ------------------------------------------------------------------

    def _on_saved(self, paths: frozenset[Path]) -> None:
        affected = self._sources.affected(paths)
        read = self._changed(paths)
        functions = {name for path in read for name in self._sources.functions_at(path)}
        if news := [path.name for path in paths if path in read or self._sources.makes(path)]:
            self._tell(events.Changed(tuple(sorted(news))))
        for folder in affected.folders:
            self._builder.request(folder)
        if affected.document:
            self._reread()
        elif functions and self._wanted is not None:
            self._advance()
        elif functions and not self._unbuilt:
            self._player.renew(functions, monotonic())
        if functions and self._spec is not None:
            self._look(self._spec)  # they may read other files now
        self._follow()

    def _on_built(self, outcome: Outcome) -> None:
        manifest = self._sources.folders.get(outcome.folder)
        name = manifest.name if manifest is not None else outcome.folder.name
        if outcome.built is None:
            if outcome.error is not None:
                self._tell(events.Refused(name, outcome.error))
            return
        self._unbuilt.discard(outcome.folder)
        module = absolute(outcome.built.module)
        self._stamps[module] = stamp(module)
        users = self._sources.files.get(module, frozenset())
        digest = file_digest(module)
        same = bool(users) and all(self._player.at_work(user, digest) for user in users)
        self._tell(events.Built(name, outcome.built.tool.title, outcome.built.seconds, outcome.built.messages, same))
        if not users:
            cure = f"name {module.name} in {self._target.title}, or change function.toml back"
            self._tell(events.Refused(name, UsageError("the pipeline has no function with this module", cure=cure)))
        elif self._wanted is not None:
            self._advance()
        elif not same and not self._unbuilt:
            self._player.renew(users, outcome.at)

    def _on_checked(self, spec: PipelineSpec, error: WeftError | None) -> None:
        self._checking -= 1
        if spec is not self._wanted:
            return  # saved again meanwhile
        if error is not None:
            self._tell(events.Refused(self._target.title, error))
            return
        self._wanted = None
        running = self._player.spec
        if running is None or not self._player.active:
            self._player.start()
        elif same_shape(running, spec):
            self._player.adopt(spec, changed_functions(running, spec))
        else:
            self._player.restart(spec)

    # --- what is done about it ---------------------------------------------------------

    def _reread(self) -> None:
        """The document changed."""
        try:
            spec = self._target.read(check_files=False)
        except WeftError as error:
            self._tell(events.Refused(self._target.title, error))
            return
        self._wanted = spec
        self._look(spec)
        self._advance()

    def _look(self, spec: PipelineSpec) -> None:
        """Note which files a document is about, and build the functions that are new in it."""
        self._spec = spec
        before, self._sources = self._sources, sources_of(spec, self._target.document)
        self._unbuilt &= set(self._sources.folders)
        for folder in set(self._sources.folders) - set(before.folders):
            self._unbuilt.add(folder)
            self._builder.request(folder)
        for path in self._sources.files:
            self._stamps.setdefault(path, stamp(path))
        self._follow()

    def _advance(self) -> None:
        """Check a changed document, in the background, once all its functions are built."""
        if self._wanted is not None and not self._unbuilt:
            self._checking += 1
            Thread(target=self._check, args=(self._wanted,), name="weft-check", daemon=True).start()

    def _check(self, spec: PipelineSpec) -> None:
        error = None
        try:
            if self._target.document is not None:
                validate_pipeline(self._target.document)
        except WeftError as found:
            error = found
        self._mailbox.put(Checked(spec, error))

    def _changed(self, paths: AbstractSet[Path]) -> set[Path]:
        """Those that functions are read from and that are not what they were."""
        found = {path for path in paths if self._sources.functions_at(path) and self._stamps.get(path) != stamp(path)}
        self._stamps |= {path: stamp(path) for path in found}
        return found

    def _follow(self) -> None:
        self._watch.follow(self._sources.watched())

    def _tell(self, event: events.Event) -> None:
        self._news = True
        self._heard(event)

    def _wait(self) -> None:
        """Say so when nothing is under way any more."""
        busy = self._checking or self._player.busy or not self._builder.idle
        if self._news and not self._stopping and not busy:
            self._news = False
            self._heard(events.Waiting(self._player.active))


def stamp(path: Path) -> object:
    """What changes when a file is written or replaced; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
