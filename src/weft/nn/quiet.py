"""Keeps an engine's first words off the terminal where they say nothing."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_STDERR = 2


@contextmanager
def without_lines(noise: re.Pattern[bytes]) -> Iterator[None]:
    """Takes lines that match ``noise`` out of what is written to stderr in the block.

    For native code that writes to the descriptor itself. Everything else, whoever wrote it, follows when the
    block ends.
    """
    try:
        before = os.dup(_STDERR)
    except OSError:  # a daemon may have closed it; then nothing can be seen
        yield
        return
    with _lock, tempfile.TemporaryFile() as kept:
        try:
            os.dup2(kept.fileno(), _STDERR)
            try:
                yield
            finally:
                os.dup2(before, _STDERR)
                _replay(kept.fileno(), noise)
        finally:
            os.close(before)


def _replay(kept: int, noise: re.Pattern[bytes]) -> None:
    os.lseek(kept, 0, os.SEEK_SET)
    with os.fdopen(os.dup(kept), "rb") as lines:
        rest = b"".join(line for line in lines if not noise.match(line))
    if rest:
        os.write(_STDERR, rest)
