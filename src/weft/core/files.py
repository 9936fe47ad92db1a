"""Reading a file whole: no more than is wanted, and never waiting for ever on a pipe."""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 5.0
"""Seconds that a pipe or device may take between one piece and the next."""

_PIECE = 1 << 20


def read_whole(path: Path, most: int) -> bytes:
    """The bytes of a file, pipe or device: ``most`` of them, and one more where there are more.

    Raises OSError: also for a pipe that nobody writes to, which plain ``open`` would wait for.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return b"".join(_pieces(descriptor, most + 1))
    finally:
        os.close(descriptor)


def readable_name(path: Path) -> str:
    """A file's name as text for guests and people; what is no UTF-8 in it is replaced."""
    return os.fsencode(path.name).decode(errors="replace")


def _pieces(descriptor: int, left: int) -> Iterator[bytes]:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    while left:
        if not waiting.poll(PATIENCE_S * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"a pipe into which nobody writes: nothing came for {PATIENCE_S:g} s")
        piece = os.read(descriptor, min(left, _PIECE))
        if not piece:
            return
        left -= len(piece)
        yield piece
