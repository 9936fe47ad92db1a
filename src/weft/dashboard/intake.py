"""From the thread that reads streams to the server's loop: bounded, and the reader never waits."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock

from weft.dashboard.shown import Shot
from weft.dashboard.viewer import MAX_NOTES


class Intake:
    """Holds the newest picture of each stream and the last notes, until the loop comes for them.

    Attributes:
        notes_dropped: notes that gave way to newer ones, because the loop did not come in time.
    """

    def __init__(self) -> None:
        self.notes_dropped = 0
        self._lock = Lock()
        self._shots: dict[str, Shot] = {}
        self._notes: deque[str] = deque()
        self._loop: AbstractEventLoop | None = None
        self._fetch: Callable[[], object] | None = None
        self._called = False

    def serve(self, loop: AbstractEventLoop, fetch: Callable[[], object]) -> None:
        """From now on call ``fetch`` on that loop when something is here."""
        with self._lock:
            self._loop, self._fetch, self._called = loop, fetch, False

    def stop(self) -> None:
        """The loop ends; what comes now is for the next one."""
        with self._lock:
            self._loop = self._fetch = None

    def shot(self, shot: Shot) -> None:
        """A picture came; from any thread."""
        with self._lock:
            self._shots[shot.frame.stream] = shot
            self._call()

    def note(self, text: str) -> None:
        """A note came; from any thread."""
        with self._lock:
            self._notes.append(text)
            if len(self._notes) > MAX_NOTES:
                self._notes.popleft()
                self.notes_dropped += 1
            self._call()

    def all(self) -> tuple[Iterable[Shot], Iterable[str]]:
        """What came since the last time."""
        with self._lock:
            self._called = False
            shots, self._shots = self._shots, {}
            notes, self._notes = self._notes, deque()
        return shots.values(), notes

    def _call(self) -> None:
        """Once, however much comes until the loop does."""
        if self._loop is not None and self._fetch is not None and not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._fetch)
