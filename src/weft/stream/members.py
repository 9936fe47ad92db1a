"""Which member of a group gets a frame: the choice alone, without network or clock.

By key, all frames of one key go to one member, by rendezvous hashing (Thaler and Ravishankar, 1998): when a member
comes or goes, only the keys it gains or loses move, and publishers that know nothing of each other choose alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from weft.core.frame import Frame

SOURCE = "source"
STREAM = "stream"


def owner(idents: Iterable[int], key: str) -> int | None:
    """The member of a group that a key belongs to; None where nobody is there."""
    return max(idents, key=lambda ident: _weight(ident, key), default=None)


def key_by(by: str, frame: Frame, stream: str) -> str:
    """What decides which member gets a frame: its source, its stream or one of its headers; "" for whoever is free."""
    if not by:
        return ""
    if by == SOURCE:
        return frame.source
    return stream if by == STREAM else frame.headers.get(by, "")


def _weight(ident: int, key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=ident.to_bytes(8, "big")).digest()
