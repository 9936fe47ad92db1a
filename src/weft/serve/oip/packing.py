"""Bodies that are compressed: ``gzip`` and ``deflate``, both ways, within limits."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

from weft.core.errors import InputError, SizeError
from weft.core.units import format_size
from weft.serve.call import Call

_LEVEL = 1
_PIECE = 2**20
_SMALL = 16 * 1024
_WINDOW = {"gzip": 31, "deflate": 15}
NAMES = tuple(_WINDOW)


async def unpacked_of(call: Call, data: memoryview, encoding: str, most: int) -> memoryview:
    """A body as it was before it was compressed. What it grows to is counted among the bodies that are held.

    Raises SizeError where it has more than ``most`` bytes, BusyError where all bodies together have too many, and
    InputError for an unknown encoding and damaged data.
    """
    if encoding not in _WINDOW:
        raise InputError(f"Content-Encoding: {encoding[:40]} is not known here", cure=f"use {' or '.join(NAMES)}")
    unpacker, pieces, size = zlib.decompressobj(_WINDOW[encoding]), list[bytes](), 0
    rest: bytes | memoryview = data
    while not unpacker.eof and (rest or not pieces):
        try:
            piece = await _next(unpacker, rest)
        except zlib.error as error:
            raise InputError(f"the body is no {encoding} data", cure="compress it anew") from error
        size += len(piece)
        if size > most:
            raise SizeError(f"unpacked, the body has more than {format_size(most)}", cure="send less")
        call.hold(len(piece))
        pieces.append(piece)
        rest = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise InputError(f"the {encoding} data end too early", cure="send all of it")
    return memoryview(b"".join(pieces) if len(pieces) != 1 else pieces[0])


async def _next(unpacker: Any, rest: bytes | memoryview) -> bytes:
    """The next piece, made on another thread where that takes a while."""
    if len(rest) <= _SMALL:
        found: bytes = unpacker.decompress(rest, _PIECE)
        return found
    return await asyncio.to_thread(unpacker.decompress, rest, _PIECE)


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
