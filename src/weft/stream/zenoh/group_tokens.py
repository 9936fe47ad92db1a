"""The tokens by which members of groups are known: below the key of what they subscribe to, pattern or not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import zenoh

from weft.stream.base import Group, GroupInfo, SubscribeOptions
from weft.stream.names import GROUP

_BELOW = f"/{GROUP}/"
_LEAST_BUSY = "-"
_TOKEN = re.compile(r"(\w[\w.-]*)/([0-9a-f]{16})/([0-9]{1,5})/([01])/(-|\w[\w.-]*)")


@dataclass(frozen=True, slots=True)
class GroupToken:
    """A member, as its token says.

    Attributes:
        key: the key expression of the streams it takes.
        name: its group.
        ident: its number.
        window: frames it has in hand at most.
        latest: the group begins with the last frame of streams that keep it.
        by: what the group's frames are shared by; "" for whoever is the least busy.
    """

    key: str
    name: str
    ident: int
    window: int
    latest: bool
    by: str


def token_of(key: str, ident: int, options: SubscribeOptions, group: Group) -> str:
    """The token of a member that takes the streams of a key expression."""
    window = min(options.queue, 99_999)
    return f"{key}{_BELOW}{group.name}/{ident:016x}/{window}/{int(options.latest)}/{group.by or _LEAST_BUSY}"


def read_token(token: str) -> GroupToken | None:
    """What a token says; None for one that no Weft declared."""
    key, _, about = token.partition(_BELOW)
    if (found := _TOKEN.fullmatch(about)) is None:
        return None
    name, ident, window, latest, by = found.groups()
    return GroupToken(key, name, int(ident, 16), int(window), latest == "1", "" if by == _LEAST_BUSY else by)


def groups_of(tokens: Iterable[GroupToken], key: str) -> tuple[GroupInfo, ...]:
    """The groups that take the stream with this key, by name."""
    stream = zenoh.KeyExpr(key)
    found: dict[str, tuple[str, set[int]]] = {}
    for token in tokens:
        if zenoh.KeyExpr(token.key).intersects(stream):
            found.setdefault(token.name, (token.by, set()))[1].add(token.ident)
    return tuple(GroupInfo(name, by, len(members)) for name, (by, members) in sorted(found.items()))
