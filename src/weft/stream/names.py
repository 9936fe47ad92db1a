"""Stream names and patterns as Zenoh key expressions.

A stream's key is ``weft/SCOPE/NAME``: the scope is the site's name for traffic that stays within it, and ``@all`` for
streams that every site may see. Zenoh lets no wildcard match a part that starts with ``@``, so a site's pattern
never reaches beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from weft.core.errors import UsageError

GLOBAL = "@all"
"""The scope of streams that every site may see."""

CACHE = "@cache"
"""Below a stream's key: where a publisher answers for what it sent before."""

ASK = "@ask"
"""Below a stream's key: where requests go."""

ALIVE = "@alive"
"""Below a stream's key: the tokens of those who publish it."""

STATE = "@state"
"""Below a stream's key: the tokens that say how its source is."""

GROUP = "@group"
"""Below a pattern's key: the tokens of the members of groups."""

GIVEN = "@given"
"""Below a stream's key: what is given to one member of a group."""

TAKEN = "@taken"
"""Below a stream's key: what members of groups report to one publisher."""

_MAY = "@may"
"""Beside the scopes: where a process is asked what its rules allow."""

_ROOT = "weft"
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)*")
_PATTERN = re.compile(r"[\w.*-]+(/[\w.*-]+)*")
_SITE = re.compile(r"[\w.-]+")


def key_of(stream: str, scope: str) -> str:
    """The key of one stream. Raises UsageError for what is no stream name."""
    if not _NAME.fullmatch(stream):
        raise UsageError(
            f"'{stream}' is no stream name", cure="letters, digits, '_', '-' and '.', in parts joined by /"
        )
    return f"{_ROOT}/{scope}/{stream}"


def key_pattern(pattern: str, scope: str) -> str:
    """The key expression of all streams that fit a pattern: ``*`` within one part, ``**`` any parts, last only."""
    parts = pattern.split("/")
    if not _PATTERN.fullmatch(pattern) or any("**" in part for part in parts[:-1]):
        raise UsageError(f"'{pattern}' is no stream pattern", cure="write cam/1, cam/* or cam/**")
    if "**" in parts[-1] and parts[-1] != "**":
        raise UsageError(f"'{pattern}' is no stream pattern", cure="** stands alone, as in cam/**")
    return f"{_ROOT}/{scope}/{'/'.join(map(_part, parts))}"


def may_key(peer: str) -> str:
    """Where the process of this Zenoh identifier, or ``*``, is asked what its rules allow."""
    return f"{_ROOT}/{_MAY}/{peer}"


def check_patterns(patterns: Iterable[str]) -> None:
    """Raises UsageError where one is no name or pattern of streams."""
    for pattern in patterns:
        key_pattern(pattern, GLOBAL)


def stream_of(key: str) -> str:
    """The stream's name in its key, or in a key below it."""
    name = key.split("/", 2)[2]
    return name.split("/@", 1)[0]


def scope_of(key: str) -> str:
    """The site's name, or ``GLOBAL``."""
    return key.split("/", 2)[1]


def check_site(site: str) -> str:
    """The name of a site. Raises UsageError."""
    if not _SITE.fullmatch(site):
        raise UsageError(f"'{site}' is no site's name", cure="letters, digits, '_', '-' and '.'")
    return site


def _part(part: str) -> str:
    """Within a part that holds more than the star, Zenoh writes ``$*``; stars in a row mean what one does."""
    return part if part in {"*", "**"} else re.sub(r"\*+", "$*", part)
