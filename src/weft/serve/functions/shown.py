"""What a client may see of a function's failure."""

from __future__ import annotations

import re

from weft.core.errors import GuestError, TimeLimitError, WeftError

_PATH = re.compile(r"(?<![\w.:/])(?:[A-Za-z]:)?(?:[/\\][\w.@+~ -]+){2,}")
_MOST = 500


def shown_to_clients(error: WeftError, *, debug: bool) -> WeftError:
    """A guest's error with its first line alone, and without paths; with ``debug`` all of it.

    Other errors say nothing of files but where they happened, which is left out where they are told.
    """
    if debug or not isinstance(error, GuestError):
        return error
    what = without_paths(next(iter(error.what.splitlines()), ""))[:_MOST]
    if isinstance(error, TimeLimitError):
        return TimeLimitError(what, where=error.where)
    return GuestError(what, where=error.where)


def without_paths(text: str) -> str:
    """Text with the names of files in place of their paths."""
    return _PATH.sub(lambda found: re.split(r"[/\\]", found[0])[-1], text)
