"""Who is told at once of what a function emits, before it has ended with its frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from weft.core.frame import Frame

Take = Callable[[Frame], object]
"""Called on whatever thread the function emits on, also when the frame fails later; must not raise or wait."""


class _Told(threading.local):
    take: Take | None = None


_told = _Told()


@contextmanager
def told_at_once(take: Take | None) -> Iterator[None]:
    """While the block runs, ``take`` gets each frame that a handler of this thread emits, as it does."""
    before, _told.take = _told.take, take
    try:
        yield
    finally:
        _told.take = before


def taker() -> Take | None:
    """Who is told of what this thread's handlers emit; None for nobody."""
    return _told.take
