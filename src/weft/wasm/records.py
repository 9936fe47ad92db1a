"""Records of the stdio form, sans-IO: ``u32 header_len, u32 payload_len, header (JSON), payload``, little endian."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from weft.core.errors import GuestError, OutputLimitError
from weft.core.frame import Frame

MAX_HEADER = 64 * 1024
_SIZES = struct.Struct("<II")

Record = tuple[dict[str, object], bytes]
"""A header and a payload."""


Payload = bytes | memoryview
"""What a record carries beside its header."""

SENT_ALONG = 16 * 1024
"""Bytes of a payload that is sent along even to a guest that asks for payloads: asking would cost more."""


def record(header: Mapping[str, object], payload: Payload = b"") -> bytes:
    """A record."""
    head = json.dumps(header, allow_nan=True).encode()
    return b"".join((_SIZES.pack(len(head), len(payload)), head, payload))


def frame_record(frame: Frame, *, lazy: bool = False) -> bytes:
    """A frame as the guest reads it. Raises MediaError when its payload cannot be encoded.

    ``lazy`` is for a guest that asks: a payload that is large, or not encoded yet, stays here, and the header says so.
    """
    asked_for = lazy and not (frame.encoded and len(frame.payload) <= SENT_ALONG)
    header: dict[str, object] = {
        "stream": frame.stream,
        "media_type": frame.media_type,
        "sequence": frame.sequence,
        "time_ns": frame.time_ns,
        "headers": dict(frame.headers),
    }
    if asked_for:
        return record({**header, "lazy": True})
    return record(header, frame.payload)


class RecordParser:
    """Bytes to records. Holds at most one record that is not complete."""

    def __init__(self, limit: int) -> None:
        """``limit`` is the most bytes of one payload."""
        self._data = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[Record]:
        """Every record that is complete. Raises OutputLimitError for one too large, GuestError for one malformed."""
        self._data += data
        records = []
        while (record := self._next()) is not None:
            records.append(record)
        return records

    def _next(self) -> Record | None:
        if len(self._data) < _SIZES.size:
            return None
        header_len, payload_len = _SIZES.unpack_from(self._data)
        if header_len > MAX_HEADER or payload_len > self._limit:
            raise OutputLimitError(
                f"wrote a record of {header_len} + {payload_len} bytes",
                cure="raise limits.output, or look whether it prints something else to stdout",
            )
        start = _SIZES.size + header_len
        end = start + payload_len
        if len(self._data) < end:
            return None
        header = bytes(self._data[_SIZES.size : start])
        payload = bytes(memoryview(self._data)[start:end])
        del self._data[:end]
        return _parse_header(header), payload


def _parse_header(data: bytes) -> dict[str, object]:
    try:
        header = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        raise GuestError("wrote a record whose header is no JSON") from None
    if not isinstance(header, dict):
        raise GuestError("wrote a record whose header is no JSON object")
    return header
