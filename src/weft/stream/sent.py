"""What a publisher keeps of what it sent, to send it again when somebody asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Memory(Protocol[T]):
    """What a publisher sent last, numbered from 0."""

    @property
    def last(self) -> T | None:
        """The newest message."""

    def add(self, message: T, size: int) -> None:
        """Keep a message of ``size`` bytes."""

    def between(self, first: int, last: int) -> Iterable[tuple[int, T]]:
        """The messages with the numbers ``first`` to ``last``, as far as they are kept, with their numbers."""

    def kept_from(self, number: int) -> int:
        """The first number that is kept from ``number`` on; that of the next message where none is."""


class Sent(Generic[T]):
    """The last messages of a publisher, bounded in number and bytes; the oldest go first.

    Attributes:
        forgotten: messages that are no longer kept.
    """

    def __init__(self, keep: int, keep_bytes: int) -> None:
        self.forgotten = 0
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self._kept: deque[tuple[T, int]] = deque()
        self._lock = Lock()

    @property
    def oldest(self) -> int:
        """The number of the oldest message that is kept; that of the next one where none is."""
        return self.forgotten

    @property
    def last(self) -> T | None:
        """The newest message."""
        with self._lock:
            return self._kept[-1][0] if self._kept else None

    def add(self, message: T, size: int) -> None:
        """Keep a message of ``size`` bytes. The newest is always kept, whatever its size."""
        with self._lock:
            self._kept.append((message, size))
            self._bytes += size
            if len(self._kept) > self._keep or self._bytes > self._keep_bytes:
                self._forget()

    def _forget(self) -> None:
        while len(self._kept) > 1 and (len(self._kept) > self._keep or self._bytes > self._keep_bytes):
            self._bytes -= self._kept.popleft()[1]
            self.forgotten += 1

    def between(self, first: int, last: int) -> Sequence[tuple[int, T]]:
        """The messages with the numbers ``first`` to ``last``, as far as they are kept, with their numbers."""
        with self._lock:
            start = max(first, self.forgotten)
            end = min(last, self.forgotten + len(self._kept) - 1)
            return [(number, self._kept[number - self.forgotten][0]) for number in range(start, end + 1)]

    def kept_from(self, number: int) -> int:
        """The first number that is kept from ``number`` on; that of the next message where none is."""
        return max(number, self.forgotten)
