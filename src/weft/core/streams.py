"""Stream names and the patterns that match them: parts joined by slashes, such as ``cam/front`` and ``cam/*``."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def matches(pattern: str, stream: str) -> bool:
    """Whether a stream fits a pattern: ``*`` is anything within one part, a last ``**`` any number of parts."""
    wanted, parts = pattern.split("/"), stream.split("/")
    if wanted[-1] == "**":
        wanted.pop()
        parts = parts[: len(wanted)]
    return len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted))


def matches_any(patterns: Iterable[str], stream: str) -> bool:
    """Whether a stream fits one of several names and patterns."""
    return any(matches(pattern, stream) for pattern in patterns)
