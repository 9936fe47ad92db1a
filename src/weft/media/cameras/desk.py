"""Where decoded pictures wait until they are wanted: few of them, and the newest win."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_Thing = TypeVar("_Thing")

CAPACITY = 4
"""Decoders give out pictures in bunches (B-frames, packets that were late): a bunch should not cost its first ones."""


class Desk(Generic[_Thing]):
    """Hands things to ``give``, one for each :meth:`want`, in the order they came.

    At most ``CAPACITY`` wait; policy: the oldest is dropped, and counted in ``dropped``. ``give`` is called on the
    thread that calls :meth:`put` or :meth:`want`, and never twice at once.
    """

    def __init__(self, give: Callable[[_Thing, int], None]) -> None:
        self.dropped = 0
        self._give = give
        self._waiting: deque[_Thing] = deque()
        self._wanted = False
        self._changed = threading.Condition()

    def put(self, thing: _Thing) -> None:
        """There is a new one."""
        with self._changed:
            if len(self._waiting) == CAPACITY:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(thing)
            self._hand_over()

    def want(self) -> None:
        """One is wanted: at once, or as soon as there is one. Wanting twice is as once."""
        with self._changed:
            self._wanted = True
            self._hand_over()

    def drain(self) -> None:
        """Return when everything that waits has been handed over, or the desk was closed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting)

    def close(self) -> None:
        """Nobody wants anything any more."""
        with self._changed:
            self._wanted = False
            self._waiting.clear()
            self._changed.notify_all()

    def _hand_over(self) -> None:
        if self._wanted and self._waiting:
            self._wanted = False
            self._give(self._waiting.popleft(), self.dropped)
            self._changed.notify_all()
