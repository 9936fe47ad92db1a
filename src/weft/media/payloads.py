"""Payloads that come from elsewhere: what they are, and the picture they may be."""

from __future__ import annotations

import re
from collections.abc import Mapping

from weft.core.errors import MediaError
from weft.core.frame import Frame
from weft.media.headers import sniff
from weft.media.images import open_picture

UNKNOWN = "application/octet-stream"
MAX_TYPE = 255

_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(;.*)?", re.ASCII | re.DOTALL)


def essence(told: str) -> str:
    """A media type without its parameters, in small letters; empty for what is none."""
    found = _TYPE.fullmatch(told[:MAX_TYPE])
    return found[1].lower() if found else ""


def payload_frame(
    payload: bytes, told: str, otherwise: str | None, sequence: int, time_ns: int, headers: Mapping[str, str]
) -> Frame:
    """A frame of what somebody sent.

    Args:
        payload: as it is.
        told: its media type, where its sender says one.
        otherwise: the one to take where nobody does; None for the one that the first bytes show.
        sequence: the frame's number.
        time_ns: when it came, nanoseconds since the epoch.
        headers: the frame's.
    """
    media_type = told or otherwise or sniff(payload) or UNKNOWN
    picture = None
    if media_type.startswith("image/") and sniff(payload):
        try:
            picture = open_picture(payload, media_type)
        except MediaError:
            picture = None  # whoever looks at it is told
    return Frame(payload, media_type=media_type, sequence=sequence, time_ns=time_ns, headers=headers, picture=picture)
