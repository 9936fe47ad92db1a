"""Bodies that are compressed: ``gzip`` and ``deflate``, both ways, within limits."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from weft.core.errors import InputError, SizeError
from weft.core.units import format_size

_LEVEL = 1
_WINDOW = {"gzip": 31, "deflate": 15}
NAMES = tuple(_WINDOW)


def unpacked(data: memoryview, encoding: str, most: int) -> memoryview:
    """A body as it was before it was compressed.

    Raises SizeError where it has more than ``most`` bytes, InputError for an unknown encoding and damaged data.
    """
    if encoding not in _WINDOW:
        raise InputError(f"Content-Encoding: {encoding[:40]} is not known here", cure=f"use {' or '.join(NAMES)}")
    unpacker = zlib.decompressobj(_WINDOW[encoding])
    try:
        found = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise InputError(f"the body is no {encoding} data", cure="compress it anew") from error
    if len(found) > most:
        raise SizeError(f"unpacked, the body has more than {format_size(most)}", cure="send less")
    if not unpacker.eof:
        raise InputError(f"the {encoding} data end too early", cure="send all of it")
    return memoryview(found)


def packed(pieces: Sequence[bytes | memoryview], encoding: str) -> bytes:
    """The pieces as one compressed body."""
    packer = zlib.compressobj(_LEVEL, wbits=_WINDOW[encoding])
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def accepted(header: str) -> str:
    """The first encoding of an ``Accept-Encoding`` header that is known here; empty for none."""
    for part in header.split(","):
        name, _, quality = part.partition(";")
        if name.strip().lower() in _WINDOW and quality.replace(" ", "") not in {"q=0", "q=0.0"}:
            return name.strip().lower()
    return ""
