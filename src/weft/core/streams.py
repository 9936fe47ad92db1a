"""Stream names and the patterns that match them: parts joined by slashes, such as ``cam/front`` and ``cam/*``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


def matches(pattern: str, stream: str) -> bool:
    """Whether a stream fits a pattern: ``*`` is anything within one part, a last ``**`` any number of parts."""
    return _expression(pattern).fullmatch(stream) is not None


def matches_any(patterns: Iterable[str], stream: str) -> bool:
    """Whether a stream fits one of several names and patterns."""
    return any(matches(pattern, stream) for pattern in patterns)


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    *parts, last = pattern.split("/")
    if last != "**":
        return re.compile("/".join(map(_part_expression, [*parts, last])))
    if not parts:
        return re.compile(".*", re.DOTALL)
    return re.compile("/".join(map(_part_expression, parts)) + "(/.*)?", re.DOTALL)


def _part_expression(part: str) -> str:
    """One part; the groups are atomic, so that no pattern can be driven into endless backtracking."""
    first, *others = map(re.escape, part.split("*"))
    if not others:
        return first
    middle = "".join(f"(?>[^/]*?{piece})" for piece in others[:-1])
    return f"{first}{middle}[^/]*{others[-1]}"
