"""The pipeline that runs while it is worked on, and what is swapped into it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Thread

from weft.core import resources
from weft.core.clock import monotonic
from weft.core.errors import WeftError
from weft.dev import events
from weft.dev.messages import Message, RunEnded, RunReady, SwapNews
from weft.dev.target import Target
from weft.flow.build import build, open_function
from weft.flow.executor import Run
from weft.flow.summary import Summary
from weft.flow.swap import State, Swap
from weft.spec.pipeline import PipelineSpec

Post = Callable[[Message], object]
Tell = Callable[[events.Event], object]


class Player:
    """Runs one pipeline at a time. All is called on the session's thread; runs and swaps only post.

    Attributes:
        spec: what runs, or ran last.
        active: it runs; what is renewed now is swapped.
    """

    def __init__(self, target: Target, post: Post, tell: Tell) -> None:
        self.spec: PipelineSpec | None = None
        self.active = False
        self._target = target
        self._post = post
        self._tell = tell
        self._run: Run | None = None
        self._loading = False
        self._again = False
        self._stopping = False
        self._digests: dict[str, str] = {}
        self._swaps: dict[Swap, float] = {}

    @property
    def busy(self) -> bool:
        """A run loads, a new version is on its way, or a new run is about to begin."""
        return self._loading or self._again or any(swap.state in {"opening", "ready"} for swap in self._swaps)

    @property
    def summary(self) -> Summary | None:
        """Of the run that is, or was last."""
        return None if self._run is None else self._run.snapshot()

    def start(self) -> None:
        """Run the pipeline as its files are now, from the beginning."""
        self._again = False
        try:
            spec = self._target.read()
            run = build(spec).start()
        except WeftError as error:
            self._tell(events.Refused(self._target.title, error))
            return
        self.spec, self._run, self.active = spec, run, True
        self._digests = {name: file_digest(module_of(spec, name)) for name in spec.functions}
        self._loading = True
        Thread(target=self._follow, args=(run,), name="weft-run-news", daemon=True).start()

    def restart(self, spec: PipelineSpec) -> None:
        """Drain what runs, and begin anew with the document as it then is."""
        if self._run is not None:
            self._again = True
            self._tell(events.Restarting(spec.name))
            self._run.stop()

    def adopt(self, spec: PipelineSpec, changed: Iterable[str]) -> None:
        """Go on with another document of the same shape: functions of which it says something else are swapped."""
        self.spec = spec
        self.renew(changed, monotonic())

    def at_work(self, name: str, digest: str) -> bool:
        """Whether a function's file, by its digest, is the one that runs."""
        return self.active and self._digests.get(name) == digest

    def renew(self, names: Iterable[str], since: float) -> None:
        """Read functions anew whose files changed; ``since`` is when they were there, in monotonic seconds."""
        if not self.active:
            self.start()
        elif not self._again:
            for name in names:
                self._swap(name, since)

    def on_swap(self, swap: Swap, state: State) -> None:
        """Tell how far a new version is."""
        lag = self._swaps[swap]
        if state == "ready":
            self._tell(events.Ready(swap.stage, lag + swap.open_s))
        elif state == "taken" and swap.frame is not None:
            self._tell(events.Swapped(swap.stage, swap.frame, lag + swap.taken_s))
        elif state == "refused" and swap.error is not None:
            self._digests.pop(swap.stage, None)
            self._tell(events.Refused(swap.stage, swap.error))
        elif state == "unused" and not self._stopping:
            self._again = True  # it has yet to be seen: when this run is over, the next begins
            if not self.active:
                self.start()
        if state in {"done", "superseded", "unused", "refused"}:
            del self._swaps[swap]

    def on_ready(self, run: Run) -> None:
        """Tell that the pipeline runs."""
        if run is self._run:
            self._loading = False
            self._tell(events.Started(run.snapshot().name))

    def on_ended(self, run: Run) -> None:
        """A run is over: begin anew where that was wanted."""
        self.active = self._loading = False
        summary = run.snapshot()
        if not self._stopping and (not self._again or summary.error is not None):
            self._tell(events.Ended(summary))
        if self._again and not self._stopping:
            self.start()

    def interrupt(self, reason: str) -> None:
        """Drain and do not begin again; the second time, or while it still loads, give it up."""
        self._stopping = True
        if self._run is not None:
            self._run.interrupt(reason)
            if self._loading:
                self._run.interrupt(reason)

    def close(self) -> None:
        """Give up what still runs."""
        self._stopping = True
        if self._run is not None and self.active:
            self._run.abort()
            self._run.wait()

    def _swap(self, name: str, since: float) -> None:
        if self._run is None or self.spec is None or name not in self.spec.functions:
            return
        self._digests[name] = file_digest(module_of(self.spec, name))
        lag = monotonic() - since
        swap = self._run.swap(name, open_function(self.spec, name), lambda news: self._post(SwapNews(news, news.state)))
        self._swaps[swap] = lag

    def _follow(self, run: Run) -> None:
        if run.wait_ready():
            self._post(RunReady(run))
        run.wait()
        self._post(RunEnded(run))


def module_of(spec: PipelineSpec, name: str) -> Path:
    """The file a function is in."""
    return resources.module(spec.functions[name].file, spec.folder)


def file_digest(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
