"""Ending what runs until somebody stops it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType

EXITS = {"SIGINT": 130, "SIGTERM": 143}


@contextmanager
def signals(stop: Callable[[], object]) -> Iterator[list[str]]:
    """SIGINT and SIGTERM call ``stop`` while the block runs, on a thread of its own; a second one ends the process.

    Gives the names of those that came.
    """
    heard: list[str] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        heard.append(signal.Signals(number).name)
        if len(heard) > 1:
            raise KeyboardInterrupt
        # Not here: what is interrupted may hold the very lock that stopping needs.
        Thread(target=stop, name="weft-stop", daemon=True).start()

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def exit_code(heard: list[str]) -> int:
    """128 plus the number of the signal that ended it; 0 where none did."""
    return EXITS[heard[0]] if heard else 0
