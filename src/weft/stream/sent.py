"""What a publisher keeps of what it sent, to send it again when somebody asks."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from operator import itemgetter
from threading import Lock
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Memory(Protocol[T]):
    """What a publisher sent last: messages of one frame or several, which are numbered from 0."""

    @property
    def last(self) -> T | None:
        """The newest message."""

    def add(self, message: T, size: int) -> None:
        """Keep a message of one frame and ``size`` bytes."""

    def between(self, first: int, last: int) -> Iterable[tuple[int, T]]:
        """The messages that hold any of the frames ``first`` to ``last``, with the numbers of their first frames."""

    def kept_from(self, number: int) -> int:
        """The first number that is kept from ``number`` on; that of the next frame where none is."""


class Sent(Generic[T]):
    """The last messages of a publisher, bounded in frames and bytes; the oldest go first.

    A message goes as a whole, when those after it hold enough frames: so up to a message more than that is kept.

    Attributes:
        forgotten: frames that are no longer kept.
    """

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self.forgotten = 0
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self._next = 0
        self._kept: deque[tuple[int, T, int]] = deque()
        self._lock = Lock()

    @property
    def oldest(self) -> int:
        """The number of the oldest frame that is kept; that of the next one where none is."""
        return self.forgotten

    @property
    def last(self) -> T | None:
        """The newest message."""
        with self._lock:
            return self._kept[-1][1] if self._kept else None

    def add(self, message: T, size: int, frames: int = 1) -> None:
        """Keep a message of so many frames and ``size`` bytes. The newest is always kept, whatever its size."""
        with self._lock:
            self._kept.append((self._next, message, size))
            self._next += frames
            self._bytes += size
            if self._next - self.forgotten > self._keep or self._bytes > self._keep_bytes:
                self._forget()

    def _forget(self) -> None:
        kept = self._kept
        while len(kept) > 1 and (self._next - kept[1][0] >= self._keep or self._bytes > self._keep_bytes):
            self._bytes -= kept.popleft()[2]
        self.forgotten = kept[0][0]

    def between(self, first: int, last: int) -> Sequence[tuple[int, T]]:
        """The messages that hold any of the frames ``first`` to ``last``, with the numbers of their first frames."""
        found: list[tuple[int, T]] = []
        with self._lock:
            index = max(0, bisect_right(self._kept, max(first, self.forgotten), key=itemgetter(0)) - 1)
            last = min(last, self._next - 1) if first <= last and first < self._next else -1
            while index < len(self._kept) and (entry := self._kept[index])[0] <= last:
                found.append(entry[:2])
                index += 1
        return found

    def kept_from(self, number: int) -> int:
        """The first number that is kept from ``number`` on; that of the next frame where none is."""
        return max(number, self.forgotten)
