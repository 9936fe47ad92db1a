"""What is told to whoever waits for streams that nobody publishes: often their names are misspelt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING

from weft.cli.streams import say
from weft.core.errors import WeftError
from weft.core.streams import matches
from weft.core.suggest import did_you_mean
from weft.core.text import visible

if TYPE_CHECKING:
    from weft.stream.base import Streams

WAIT_S = 2.0
"""Seconds after which it is told; who publishes may have been started a moment later."""


@contextmanager
def told_if_absent(streams: Streams, patterns: Sequence[str]) -> Iterator[None]:
    """While the block runs: tell once, on standard error, which of the patterns nobody publishes after ``WAIT_S``."""
    timer = Timer(WAIT_S, _tell, (streams, patterns))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def absent(patterns: Sequence[str], published: Sequence[str]) -> list[str]:
    """A line for each of the patterns that no published stream fits, with the one that was probably meant."""
    return [
        f"nobody publishes '{pattern}' yet; {did_you_mean(pattern, published) or '`weft streams` lists what there is'}"
        for pattern in patterns
        if not any(matches(pattern, stream) for stream in published)
    ]


def _tell(streams: Streams, patterns: Sequence[str]) -> None:
    with suppress(WeftError):  # the command has ended meanwhile
        for line in absent(patterns, [info.name for info in streams.known()]):
            say(visible(line) + "\n")
