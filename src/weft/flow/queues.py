"""The bounded queue before every function and sink: a named overflow policy, counters, and no polling."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Literal

from weft.flow.items import Item

Overflow = Literal["block", "drop_oldest", "drop_newest"]


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """What went through a queue. ``entered == left + dropped + abandoned + depth`` at any moment.

    Attributes:
        entered: frames offered, dropped ones included.
        left: frames taken out by the stage.
        dropped: frames the overflow policy gave up.
        abandoned: frames lost because the pipeline was aborted or the stage had failed.
        depth: frames in the queue now.
        peak: the most there ever were.
        size: the most there may be.
    """

    entered: int = 0
    left: int = 0
    dropped: int = 0
    abandoned: int = 0
    depth: int = 0
    peak: int = 0
    size: int = 0


class FrameQueue:
    """Frames between threads, first in, first out, at most ``size`` of them.

    When it is full, ``block`` makes the producer wait, ``drop_oldest`` gives up the oldest frame and ``drop_newest``
    the one that comes. Only frames of live sources are ever given up: a producer with a frame from a file waits.

    A producer that had to wait goes on when the queue is half empty, so that two threads do not hand over the
    interpreter for every frame.
    """

    def __init__(self, size: int, overflow: Overflow = "block") -> None:
        self._size = size
        self._overflow = overflow
        self._low_water = size // 2
        self._items: deque[Item] = deque()
        self._lock = Lock()
        self._filled = Condition(self._lock)
        self._room = Condition(self._lock)
        self._getters = 0
        self._putters = 0
        self._closed = False
        self._aborted = False
        self._entered = self._dropped = self._abandoned = self._left = self._peak = 0

    def put(self, item: Item) -> bool:
        """Add ``item``, waiting for room where the policy says so; False when it was dropped or abandoned."""
        with self._lock:
            self._entered += 1
            if len(self._items) >= self._size and not self._make_room(item):
                return False
            if self._closed:
                self._abandoned += 1
                item.abandon()
                return False
            self._items.append(item)
            self._peak = max(self._peak, len(self._items))
            if self._getters:
                self._filled.notify()
            return True

    def get(self) -> Item | None:
        """The oldest frame, waiting for one; None when the queue is closed and empty, or aborted."""
        with self._lock:
            while not self._items:
                if self._closed:
                    return None
                self._getters += 1
                self._filled.wait()
                self._getters -= 1
            item = self._items.popleft()
            self._left += 1
            if self._putters and len(self._items) <= self._low_water:
                self._room.notify(self._size - len(self._items))
            return item

    def give_up(self, item: Item) -> None:
        """The frame just taken will not be worked on: count it as abandoned."""
        item.abandon()
        with self._lock:
            self._left -= 1
            self._abandoned += 1

    def close(self) -> None:
        """No frame comes any more: what is queued can still be taken."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def abort(self) -> None:
        """Give up what is queued and everything that still comes."""
        with self._lock:
            self._closed = self._aborted = True
            self._abandoned += len(self._items)
            for item in self._items:
                item.abandon()
            self._items.clear()
            self._wake_all()

    def counts(self) -> QueueCounts:
        """The counters, all of one moment."""
        with self._lock:
            return QueueCounts(
                entered=self._entered - self._putters,
                left=self._left,
                dropped=self._dropped,
                abandoned=self._abandoned,
                depth=len(self._items),
                peak=self._peak,
                size=self._size,
            )

    def _make_room(self, item: Item) -> bool:
        """Drop or wait until one more frame fits (or none ever will); False when ``item`` itself was dropped."""
        while len(self._items) >= self._size and not self._aborted:
            if self._overflow == "drop_oldest" and self._drop_oldest_live():
                return True
            if self._overflow != "block" and item.origin.live:
                self._dropped += 1
                return False
            self._putters += 1
            self._room.wait()
            self._putters -= 1
        return True

    def _drop_oldest_live(self) -> bool:
        for index, queued in enumerate(self._items):
            if queued.origin.live:
                del self._items[index]
                self._dropped += 1
                return True
        return False

    def _wake_all(self) -> None:
        self._filled.notify_all()
        self._room.notify_all()
