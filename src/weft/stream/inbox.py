"""Where received frames wait for whoever reads them: bounded, and it never makes the sender wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Condition, RLock
from typing import Any

from weft.core.frame import Frame

MAX_BYTES = 256 * 2**20
"""Bytes of payload that wait at most, whatever their number; and the reliable frames that were on their way when it
was reached."""


class Inbox:
    """A bounded queue between a network thread and a reader.

    Frames of live streams push older live ones out when it is full. Frames of reliable streams are only offered
    while there is :meth:`room`, and asked for again later; they push live ones out as well, so that a flood of live
    frames cannot starve them.

    Attributes:
        dropped: live frames that others pushed out, or that found no room beside reliable ones.
    """

    def __init__(self, frames: int, most_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._most = frames
        self._most_bytes = most_bytes
        self._bytes = 0
        self._reliable = 0
        self._reliable_bytes = 0
        self._items: deque[tuple[bool, Frame, int, Any]] = deque()
        self._lock = RLock()  # whoever drops the last of a frame wakes the reader, and may hold it already
        self._changed = Condition(self._lock)
        self._waiting = 0
        self._woken = False
        self._closed = False

    def room(self) -> int:
        """How many more reliable frames fit: live ones make room for them."""
        return max(0, self._most - self._reliable) if self._reliable_bytes < self._most_bytes else 0

    def put(self, frame: Frame, *, live: bool, mark: Any = None) -> bool:
        """Add one. False when it was not taken: closed, or no room beside frames that may not be dropped.

        :meth:`take` gives ``mark`` back with it.
        """
        with self._lock:
            taken = self._put(frame, mark, live=live)
            if taken and self._waiting:
                self._changed.notify()
            return taken

    def put_all(self, frames: Sequence[Frame], *, live: bool) -> None:
        """Add several, of which as many are taken as :meth:`put` would take."""
        with self._lock:
            sizes = [len(frame.payload) for frame in frames]
            size = sum(sizes)
            full = len(self._items) + len(frames) > self._most or self._bytes + size > self._most_bytes
            if full or self._closed:
                for frame in frames:
                    self._put(frame, None, live=live)
            else:
                self._items += [(live, frame, size, None) for frame, size in zip(frames, sizes, strict=True)]
                self._bytes += size
                if not live:
                    self._reliable += len(frames)
                    self._reliable_bytes += size
            if self._waiting:
                self._changed.notify()

    def get(self) -> Frame | None:
        """The oldest; None when there is none."""
        found = self.take()
        return None if found is None else found[0]

    def take(self) -> tuple[Frame, Any] | None:
        """The oldest, with its mark; None when there is none."""
        if not self._items:
            return None
        self._lock.acquire()  # for each frame: half of what `with` takes
        try:
            live, frame, size, mark = self._items.popleft()
            self._bytes -= size
            if not live:
                self._reliable -= 1
                self._reliable_bytes -= size
            return frame, mark
        except IndexError:  # another reader was first
            return None
        finally:
            self._lock.release()

    def wait(self, timeout: float) -> None:
        """Until there is something to read, somebody calls :meth:`wake`, or so many seconds passed."""
        with self._lock:
            if not self._items and not self._closed and not self._woken:
                self._waiting += 1
                self._changed.wait(timeout)
                self._waiting -= 1
            self._woken = False

    def wake(self) -> None:
        """Let the reader look around, though there may be nothing to read."""
        with self._lock:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """No more comes; what waits can still be had."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True when no more comes."""
        return self._closed

    @property
    def ended(self) -> bool:
        """True when it is closed and empty."""
        return self._closed and not self._items

    def __len__(self) -> int:
        return len(self._items)

    def _put(self, frame: Frame, mark: Any, *, live: bool) -> bool:
        size = len(frame.payload)
        if len(self._items) >= self._most or self._bytes + size > self._most_bytes:
            self._make_room(size)
        if self._closed or not self._fits(size, live=live):
            self.dropped += live
            return False
        self._items.append((live, frame, size, mark))
        self._bytes += size
        if not live:
            self._reliable += 1
            self._reliable_bytes += size
        return True

    def _fits(self, size: int, *, live: bool) -> bool:
        """A reliable frame may go over the bytes: it was offered because there was room, and will not come again."""
        if len(self._items) >= self._most:
            return False
        return not live or self._bytes + size <= self._most_bytes or not self._items

    def _make_room(self, size: int) -> None:
        """Drop live frames, the oldest first, until one of ``size`` bytes fits or only reliable ones are left."""
        index = 0
        while index < len(self._items) and (len(self._items) >= self._most or self._bytes + size > self._most_bytes):
            live, _, bytes_, _ = self._items[index]
            if live:
                del self._items[index]
                self._bytes -= bytes_
                self.dropped += 1
            else:
                index += 1
