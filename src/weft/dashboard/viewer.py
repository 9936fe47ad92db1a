"""One browser: what waits for it, and how much of that it may get."""

from __future__ import annotations

from asyncio import Event
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from weft.dashboard.shown import Shot

WINDOW = 2
"""Pictures of a stream that are under way. The page tells when it has drawn one; until then no other follows, so that
latency builds up in no buffer. Two keep a link busy while the word comes back."""

MAX_NOTES = 512
"""Notes that wait for a browser; beyond it the oldest is dropped."""

MOST_AT_ONCE = 64
"""Notes in one message."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that may go now, with its number and how many before it were dropped for this browser."""

    shot: Shot
    number: int
    dropped: int


class Lane:
    """One stream's way to one browser: the newest picture waits, and replaces one that waited before it."""

    __slots__ = ("drawn", "dropped", "sent", "waiting")

    def __init__(self) -> None:
        self.waiting: Shot | None = None
        self.sent = self.drawn = self.dropped = 0

    @property
    def ready(self) -> bool:
        """Whether there is a picture, and it may go."""
        return self.waiting is not None and self.sent - self.drawn < WINDOW


class Viewer:
    """What waits for one browser. Used on the server's loop only."""

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self.notes_dropped = 0
        self._notes: deque[str] = deque()
        self._notes_sent = self._notes_drawn = 0
        self._told: dict[str, str] = {}
        self._something = Event()
        self._paused: frozenset[str] = frozenset()
        self._hidden = False

    # --- from the streams ------------------------------------------------------------------

    def offer(self, shot: Shot) -> None:
        """A picture came."""
        name = shot.frame.stream
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane()
        if not self._rests(name):
            lane.dropped += lane.waiting is not None
        lane.waiting = shot
        self._something.set()

    def note(self, text: str) -> None:
        """A note came: boxes, labels or text."""
        if len(self._notes) >= MAX_NOTES:
            self._notes.popleft()
            self.notes_dropped += not self._hidden
        self._notes.append(text)
        self._something.set()

    def tell(self, kind: str, text: str) -> None:
        """Something small that the page must know; a newer one of its kind replaces one that waits."""
        self._told[kind] = text
        self._something.set()

    # --- from the page ---------------------------------------------------------------------

    def drawn(self, stream: str, number: int) -> None:
        """The page has drawn the picture with that number, and all before it."""
        lane = self.lanes.get(stream)
        if lane is not None:
            lane.drawn = max(lane.drawn, min(number, lane.sent))
            self._something.set()

    def noted(self, number: int) -> None:
        """The page has taken the notes with that number, and all before them."""
        self._notes_drawn = max(self._notes_drawn, min(number, self._notes_sent))
        self._something.set()

    def pause(self, streams: Iterable[str], *, hidden: bool) -> None:
        """The page wants no pictures of these streams, and nothing at all while it is hidden.

        It goes on with the newest; what it did not want meanwhile is not counted as dropped.
        """
        self._paused = frozenset(streams)
        self._hidden = hidden
        self._something.set()

    # --- to the socket ---------------------------------------------------------------------

    async def next(self) -> str | Picture:
        """What is to be sent; waits until there is something."""
        while (found := self.now()) is None:
            self._something.clear()
            await self._something.wait()
        return found

    def now(self) -> str | Picture | None:
        """What may be sent now; None where nothing waits, or the page has yet to draw what it got."""
        if self._told:
            return self._told.pop(next(iter(self._told)))
        if self._notes and not self._hidden and self._notes_sent - self._notes_drawn < WINDOW:
            return self._some_notes()
        for name, lane in self.lanes.items():
            if lane.waiting is not None and lane.ready and not self._rests(name):
                shot, lane.waiting = lane.waiting, None
                lane.sent += 1
                self.lanes[name] = self.lanes.pop(name)  # to the end: every stream has its turn
                return Picture(shot, lane.sent, lane.dropped)
        return None

    def _some_notes(self) -> str:
        self._notes_sent += 1
        some = [self._notes.popleft() for _ in range(min(len(self._notes), MOST_AT_ONCE))]
        return (
            f'{{"type": "notes", "number": {self._notes_sent}, "dropped": {self.notes_dropped}, '
            f'"notes": [{", ".join(some)}]}}'
        )

    def _rests(self, stream: str) -> bool:
        return self._hidden or stream in self._paused
