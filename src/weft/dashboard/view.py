"""What some streams show now, for any number of browsers: read once, encoded once, and nobody waits for anybody."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from weft import __version__
from weft.core.clock import now_ns
from weft.core.errors import MediaError, WeftError
from weft.core.frame import Frame
from weft.core.streams import matches, matches_any
from weft.dashboard.intake import Intake
from weft.dashboard.shown import Shot, is_picture, note
from weft.dashboard.tally import MAX_STREAMS, Tallies, Tally
from weft.dashboard.viewer import Viewer
from weft.stream.base import StreamInfo

MAX_VIEWERS = 32
STATE_EVERY_S = 1.0


class View:
    """The streams that fit some patterns, as pages show them.

    Frames may come on any thread; everything else happens on the server's loop.

    Args:
        patterns: names and patterns of streams, as people wrote them.
        known: the streams that somebody publishes now. It may take a while: a thread of its own calls it.
        link: why there is no link to the site now; empty while there is one. Called likewise.
        counters: what became of the frames on their way here.

    Attributes:
        viewers: the browsers that are here.
        refused: those that came when there were ``MAX_VIEWERS`` already.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        known: Callable[[], Sequence[StreamInfo]],
        link: Callable[[], str] = lambda: "",
        counters: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.patterns = tuple(patterns)
        self.viewers: set[Viewer] = set()
        self.refused = 0
        self._known, self._link, self._counters = known, link, counters
        self._instance = secrets.token_hex(4)
        self._intake = Intake()
        self._tallies = Tallies()
        self._publishers: dict[str, int] = {}
        self._no_link = ""
        self._joined: asyncio.Event | None = None
        self._new: set[Viewer] = set()

    def take(self, frame: Frame) -> None:
        """A frame came; from one thread at a time. Returns at once: a picture nobody has got yet gives way to this."""
        tally = self._tallies.count(frame, "picture" if is_picture(frame) else "note")
        if tally is None or not self.viewers:
            return
        if tally.kind == "note":
            self._intake.note(note(frame))
        elif (shot := _shot(frame, tally)) is not None:
            self._intake.shot(shot)

    async def run(self) -> None:
        """Serve what comes until this is cancelled, and tell every page how the streams are, once a second."""
        self._joined = asyncio.Event()
        self._intake.serve(asyncio.get_running_loop(), self._fetch)
        try:
            while True:
                await self._tell(self.viewers)
                with suppress(TimeoutError):
                    async with asyncio.timeout(STATE_EVERY_S):
                        await self._greet(self._joined)
        finally:
            self._intake.stop()

    def join(self) -> Viewer | None:
        """A browser came: it begins with what there was last. None where there are too many already."""
        if len(self.viewers) >= MAX_VIEWERS:
            self.refused += 1
            return None
        viewer = Viewer()
        hello = {"type": "hello", "version": __version__, "instance": self._instance, "patterns": self.patterns}
        viewer.tell("hello", json.dumps(hello))
        self.viewers.add(viewer)
        self._new.add(viewer)
        if self._joined is not None:
            self._joined.set()
        for tally in self._tallies.all().values():
            if (last := tally.last) is None:
                continue
            if tally.kind == "note":
                viewer.note(note(last))
            elif (shot := _shot(last, tally)) is not None:
                viewer.offer(shot)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """A browser went."""
        self.viewers.discard(viewer)
        self._new.discard(viewer)

    def spoilt(self, shot: Shot, error: MediaError) -> None:
        """A picture could not be encoded."""
        self._tallies.of(shot.frame.stream).spoilt(shot.frame, error)

    def _fetch(self) -> None:
        shots, notes = self._intake.all()
        for viewer in self.viewers:
            for text in notes:
                viewer.note(text)
            for shot in shots:
                viewer.offer(shot)

    async def _greet(self, joined: asyncio.Event) -> None:
        """Tell those who come how the streams are, until this is cancelled."""
        while True:
            await joined.wait()
            joined.clear()
            new, self._new = self._new, set()
            await self._tell(new)

    async def _tell(self, viewers: Collection[Viewer]) -> None:
        """Tell pages how the streams are now."""
        for tally in self._tallies.all().values():
            tally.measure()
        if viewers:
            await asyncio.to_thread(self._ask)
            state = self._state()
            for viewer in viewers:
                viewer.tell("state", state)

    def _ask(self) -> None:
        """Who publishes what. Where that cannot be asked, the reason is told as that of the link."""
        try:
            found = {info.name: info.publishers for info in self._known() if matches_any(self.patterns, info.name)}
            self._publishers, self._no_link = found, self._link()
        except WeftError as error:
            self._publishers, self._no_link = {}, error.what

    def _state(self) -> str:
        streams = {name: tally.record() for name, tally in self._tallies.all().items()}
        for name, publishers in self._publishers.items():
            if name in streams or len(streams) < MAX_STREAMS:
                streams.setdefault(name, {})["publishers"] = publishers
        state = {
            "type": "state",
            "now": now_ns() / 1e6,
            "no_link": self._no_link,
            "viewers": len(self.viewers),
            "left_out": self._tallies.left_out,
            "notes_dropped": self._intake.notes_dropped,
            "counters": dict(self._counters()),
            "streams": streams,
            "missing": [one for one in self.patterns if not any(matches(one, name) for name in streams)],
        }
        return json.dumps(state)


def _shot(frame: Frame, tally: Tally) -> Shot | None:
    """The frame as a picture; None, counted, for one that browsers should not be given."""
    try:
        return Shot(frame)
    except MediaError as error:
        tally.spoilt(frame, error)
        return None
