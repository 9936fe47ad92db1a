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


@lru_cache(maxsize=1024)
def overlap(one: str, other: str) -> bool:
    """Whether some stream fits both of two names or patterns."""
    parts, others = one.split("/"), other.split("/")
    if parts[-1] == "**" and others[-1] == "**":
        length = min(len(parts), len(others)) - 1
    elif parts[-1] == "**":
        length = len(parts) - 1 if len(parts) - 1 <= len(others) else -1
    elif others[-1] == "**":
        length = len(others) - 1 if len(others) - 1 <= len(parts) else -1
    else:
        length = len(parts) if len(parts) == len(others) else -1
    return length >= 0 and all(_parts_overlap(*pair) for pair in zip(parts[:length], others[:length], strict=True))


def _parts_overlap(one: str, other: str) -> bool:
    """Whether some text fits both parts: each row says which beginnings of ``other`` fit what was read of ``one``."""
    row = [True, *(set(other[: end + 1]) == {"*"} for end in range(len(other)))]
    for char in one:
        above, row = row, [row[0] and char == "*"]
        for index, opposite in enumerate(other):
            if "*" in (char, opposite):
                row.append(above[index] or above[index + 1] or row[index])
            else:
                row.append(above[index] and char == opposite)
    return row[-1]


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
