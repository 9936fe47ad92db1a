"""Just enough of two wire formats (protobuf, flatbuffers) to know a model without its engine.

Reading goes over anything that can be sliced (bytes, mmap): only tags and lengths are touched, so a model of
a gigabyte costs as many steps as it has fields on its top level.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class Sliceable(Protocol):
    """Bytes, or a mapped file."""

    def __getitem__(self, key: slice, /) -> bytes:
        """The bytes of a slice."""

    def __len__(self) -> int:
        """How many bytes there are."""

    def find(self, sub: bytes, /) -> int:
        """Where ``sub`` first occurs, or -1."""


class WireError(Exception):
    """The bytes are no protobuf message. ``needed`` is set where only the end is missing."""

    def __init__(self, what: str, needed: int | None = None) -> None:
        super().__init__(what)
        self.needed = needed


def fields(data: Sliceable, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """The fields of one protobuf message: number, wire type, and where its value starts and ends.

    Raises WireError at the first field that is no field or does not fit.
    """
    at, end = start, len(data) if end is None else end
    while at < end:
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError("a field without a number")
        if kind == VARINT:
            _, stop = _varint(data, at, end)
        elif kind == LENGTH:
            size, at = _varint(data, at, end)
            stop = at + size
        elif kind in _FIXED:
            stop = at + _FIXED[kind]
        else:
            raise WireError(f"wire type {kind}")
        if stop > end:
            raise WireError(f"field {number} ends at byte {stop} of {end}", stop)
        yield number, kind, at, stop
        at = stop


def _varint(data: Sliceable, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[at : min(at + 10, end)]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise WireError("a number without an end", end + 1 if end - at < 10 else None)


def flatbuffer_has(data: Sliceable, field: int) -> bool:
    """Whether the root table of a flatbuffer sets the field with this number. False for a damaged one."""
    try:
        (root,) = struct.unpack("<I", data[0:4])
        (back,) = struct.unpack("<i", data[root : root + 4])
        table = root - back
        (size,) = struct.unpack("<H", data[table : table + 2])
        slot = 4 + 2 * field
        return slot < size and data[table + slot : table + slot + 2] != b"\0\0"
    except struct.error:
        return False
