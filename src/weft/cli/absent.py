"""What is told to whoever waits for streams that nobody publishes: often their names are misspelt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import TYPE_CHECKING

from weft.cli.output import print_line
from weft.cli.streams import say
from weft.core.errors import WeftError
from weft.core.streams import matches
from weft.core.suggest import did_you_mean
from weft.core.text import visible

if TYPE_CHECKING:
    from weft.stream.base import Streams

WAIT_S = 2.0
"""Seconds after which it is told; who publishes may have been started a moment later."""

FEW = 5
"""So many streams are named one by one."""


@contextmanager
def told_if_absent(streams: Streams, patterns: Sequence[str], *, as_json: bool = False) -> Iterator[None]:
    """While the block runs: tell once, on standard error, which of the patterns nobody publishes after ``WAIT_S``.

    ``as_json`` is for commands whose log is JSON lines.
    """
    timer = Timer(WAIT_S, _tell, (streams, patterns, _line if as_json else _text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def absent(patterns: Sequence[str], published: Sequence[str]) -> dict[str, str]:
    """What to do about each of the patterns that no published stream fits."""
    missing = [pattern for pattern in patterns if not any(matches(pattern, stream) for stream in published)]
    return {pattern: _cure(pattern, published) for pattern in missing}


def _cure(pattern: str, published: Sequence[str]) -> str:
    """The one that was probably meant, or those that there are, where they are few."""
    if meant := did_you_mean(pattern, published):
        return meant
    if 0 < len(published) <= FEW:
        return f"published are {', '.join(published)}"
    return "`weft streams` lists what there is"


def _tell(streams: Streams, patterns: Sequence[str], tell: Callable[[str, str], None]) -> None:
    with suppress(WeftError):  # the command has ended meanwhile
        for pattern, cure in absent(patterns, sorted({info.name for info in streams.known()})).items():
            tell(pattern, cure)


def _text(pattern: str, cure: str) -> None:
    say(visible(f"nobody publishes '{pattern}' yet; {cure}") + "\n")


def _line(pattern: str, cure: str) -> None:
    print_line({"event": "absent", "stream": pattern, "cure": cure})
