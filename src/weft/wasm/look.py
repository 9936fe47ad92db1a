"""What bytes without a media type are, by their look."""

from __future__ import annotations

import codecs

LOOKED_AT = 1024
"""Bytes at the start that decide."""

_UTF8 = codecs.getincrementaldecoder("utf-8")


def media_type_of(data: bytes) -> str:
    """JSON, text or bytes."""
    if data[:1] in {b"{", b"["}:
        return "application/json"
    try:
        _UTF8().decode(data[:LOOKED_AT], final=len(data) <= LOOKED_AT)
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"
