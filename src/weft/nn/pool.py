"""A bounded pool of things that one thread may use at a time: interpreters, inference requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Makes an item when all are in use, up to ``limit``; then callers wait.

    The item used last is handed out first: its memory is warm. One that was in use when an exception
    passed is thrown away, as nobody knows its state.

    Attributes:
        limit: how many items there can be.
        made: how many were made so far.
        waits: how often a caller found none free and had to wait.
    """

    def __init__(self, make: Callable[[], T], limit: int, first: T | None = None) -> None:
        self.limit = limit
        self.made = 0 if first is None else 1
        self.waits = 0
        self._make = make
        self._free: list[T] = [] if first is None else [first]
        self._slots = threading.Semaphore(limit)

    @contextmanager
    def use(self) -> Iterator[T]:
        """An item for the length of the block."""
        if not self._slots.acquire(blocking=False):
            self.waits += 1
            self._slots.acquire()
        try:
            try:
                item = self._free.pop()
            except IndexError:
                item = self._make()
                self.made += 1
            yield item
            self._free.append(item)
        finally:
            self._slots.release()
