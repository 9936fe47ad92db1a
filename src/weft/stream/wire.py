"""What travels beside a payload: a frame's header, in a versioned binary form.

Version 1, little endian: version u8, kind u8, flags u16, sequence i64, time i64 (ns since the epoch), publisher u64,
number u64, age u32 (ms); then the tail, a msgpack array of media type, source and headers. The publisher is a random
number that a publisher takes when it starts, and ``number`` counts what it sent, from 0: together they show what is
missing. The age is how long ago it started when this was sent, which needs no clocks that agree: who has listened for
longer has missed what came before. The payload itself is not touched. A reader takes any version it knows and refuses
others; unknown flags are ignored, so that later versions can add to them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType

import msgspec

from weft.core.clock import monotonic
from weft.core.errors import InputError
from weft.core.frame import NO_HEADERS, Frame
from weft.stream.base import Delivery, PublishOptions

VERSION = 1
MAX_TAIL = 64 * 1024
"""Bytes of media type, source and headers."""

_FIXED = struct.Struct("<BBHqqQQI")
_PACK, _UNPACK, _SIZE = _FIXED.pack, _FIXED.unpack_from, _FIXED.size
_PUBLISHER, _ADDRESS = struct.calcsize("<BBHqq"), struct.Struct("<QQ")
_NUMBER = slice(_PUBLISHER + 8, _PUBLISHER + 16)
SEQUENCE_AND_TIME = slice(struct.calcsize("<BBH"), _PUBLISHER)
"""Where these two are in a header."""
TAIL = slice(_SIZE, None)
"""Where media type, source and headers are."""

_CACHED_TAIL = 1024
_OLDEST_MS = 2**32 - 1
_MOST_KEPT = 2**63
"""A consumer with a name can write down what is below."""
_ONLY_WEFT = "only Weft publishes Weft's streams"
_WHERE = "frame header"


class Kind(IntEnum):
    """What a message is."""

    FRAME = 0
    BEAT = 1
    """No payload: ``number`` is the last one this publisher sent."""
    OLDEST = 2
    """No payload: the end of what was sent again; ``number`` is the oldest that could be."""
    BATCH = 3
    """Several frames, see :mod:`weft.stream.batch`; ``number`` is that of the first."""


# Flags: what a publisher promises. Plain numbers, because an IntFlag costs a microsecond with every frame.
RELIABLE = 1
"""It keeps what it sent for a while, and answers for it."""
LATEST = 2
"""It answers with its last frame."""
AGAIN = 4
"""This may have been delivered before."""
DURABLE = 8
"""It will have what it sent when it comes back, and be the same publisher. It is RELIABLE as well."""


class Tail(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What seldom changes from frame to frame."""

    media_type: str
    source: str
    headers: Mapping[str, str]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[str, str, dict[str, str]])


class Header(msgspec.Struct, frozen=True, gc=False):
    """A decoded header. A struct of msgspec: making a frozen dataclass takes ten times as long."""

    kind: int
    flags: int
    sequence: int
    time_ns: int
    publisher: int
    number: int
    age_ms: int
    tail: Tail

    def frame(self, payload: bytes, stream: str) -> Frame:
        """The frame this header belongs to."""
        tail = self.tail
        return Frame.made(payload, tail.media_type, stream, tail.source, self.sequence, self.time_ns, tail.headers)


class HeaderWriter:
    """Makes the headers of one publisher; the tail is encoded only when it changes."""

    def __init__(self, publisher: int, flags: int, age_s: float = 0.0) -> None:
        """``age_s``: how long ago the publisher was first there."""
        self._publisher = publisher
        self._flags = flags
        self._born = monotonic() - age_s
        self._media_type = self._source = ""
        self._headers = NO_HEADERS
        self._tail = _NO_TAIL

    def write(self, frame: Frame, number: int) -> bytes:
        """The header of a frame. Raises InputError when it cannot be sent."""
        tail, sequence, time_ns, publisher = self.tail(frame), frame.sequence, frame.time_ns, self._publisher
        try:
            return _PACK(VERSION, 0, self._flags, sequence, time_ns, publisher, number, self._age()) + tail
        except struct.error:
            raise unfit(frame) from None

    def tail(self, frame: Frame) -> bytes:
        """A frame's media type, source and headers. Raises InputError when they are over ``MAX_TAIL`` bytes."""
        headers = frame.headers
        if (
            frame.media_type != self._media_type
            or frame.source != self._source
            or ((headers is not NO_HEADERS or self._headers is not NO_HEADERS) and headers != self._headers)
        ):
            self._change_tail(frame)
        return self._tail

    def note(self, kind: Kind, number: int) -> bytes:
        """A header without a frame."""
        return _PACK(VERSION, kind, self._flags, 0, 0, self._publisher, number, self._age()) + _NO_TAIL

    def _change_tail(self, frame: Frame) -> None:
        self._tail = encode_tail(Tail(frame.media_type, frame.source, frame.headers))
        self._media_type, self._source = frame.media_type, frame.source
        self._headers = dict(frame.headers) if frame.headers else NO_HEADERS  # theirs may change

    def _age(self) -> int:
        age = int((monotonic() - self._born) * 1000)
        return age if age < _OLDEST_MS else _OLDEST_MS


def flags_of(options: PublishOptions) -> int:
    """What a publisher's messages say of it."""
    delivery = options.delivery
    return RELIABLE * (delivery != "live") | DURABLE * (delivery == "durable") | LATEST * options.latest


def delivery_of(flags: int) -> Delivery:
    """What a publisher with these flags promises."""
    return "durable" if flags & DURABLE else "reliable" if flags & RELIABLE else "live"


def read_header(data: bytes) -> Header:
    """Decode a header. Raises InputError when it is malformed or of an unknown version."""
    if len(data) < _SIZE or data[0] != VERSION:
        raise _unreadable(data)
    _, kind, flags, sequence, time_ns, publisher, number, age_ms = _UNPACK(data)
    if flags & DURABLE and (publisher >= _MOST_KEPT or number >= _MOST_KEPT // 2):
        raise InputError("no durable publisher has such numbers", where=_WHERE, cure=_ONLY_WEFT)
    tail = data[_SIZE:]
    if len(tail) > MAX_TAIL:
        raise InputError(f"{len(tail)} bytes of headers, at most {MAX_TAIL}", where=_WHERE)
    read = _cached_tail if len(tail) <= _CACHED_TAIL else decode_tail
    return Header(kind, flags, sequence, time_ns, publisher, number, age_ms, read(tail))


def of_kind(kind: Kind, header: bytes) -> bytes:
    """The same header for another kind of message."""
    return header[:1] + bytes((kind,)) + header[2:]


def mark_again(header: bytes) -> bytes:
    """The same header, saying that the frame may have been delivered before."""
    flags = int.from_bytes(header[2:4], "little") | AGAIN
    return header[:2] + flags.to_bytes(2, "little") + header[4:]


def readdressed(header: bytes, publisher: int, number: int) -> bytes:
    """The same header, of another publisher and with another number."""
    return header[:_PUBLISHER] + _ADDRESS.pack(publisher, number) + header[_PUBLISHER + _ADDRESS.size :]


def of_frame(header: bytes, sequence_and_time: bytes, number: int) -> bytes:
    """The header of one frame of a batch, made from the batch's."""
    begin, middle, end = header[: SEQUENCE_AND_TIME.start], header[_PUBLISHER : _NUMBER.start], header[_NUMBER.stop :]
    return of_kind(Kind.FRAME, begin) + sequence_and_time + middle + number.to_bytes(8, "little") + end


def number_of(header: bytes) -> int:
    """The number in a header."""
    return int.from_bytes(header[_NUMBER], "little")


def unfit(frame: Frame) -> InputError:
    """What is wrong with a frame whose numbers have no place in a header."""
    what = f"sequence {frame.sequence} or time {frame.time_ns} does not fit 64 bits"
    return InputError(what, where=_WHERE, cure="number frames from 0, and take time in nanoseconds")


def encode_tail(tail: Tail) -> bytes:
    """Raises InputError when it is over ``MAX_TAIL`` bytes, or not all of it is text."""
    try:
        data = _ENCODER.encode((tail.media_type, tail.source, dict(tail.headers)))
        _DECODER.decode(data)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        what = "media type, source and headers must be text that UTF-8 can hold"
        raise InputError(what, where=_WHERE, cure="convert them to str") from error
    if len(data) > MAX_TAIL:
        raise InputError(f"{len(data)} bytes of headers", where=_WHERE, cure=f"at most {MAX_TAIL} bytes travel")
    return data


def decode_tail(data: bytes) -> Tail:
    """Raises InputError when it is malformed."""
    try:
        media_type, source, headers = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("malformed", where=_WHERE, cure="is the sender a Weft of this version?") from error
    return Tail(media_type, source, MappingProxyType(headers) if headers else NO_HEADERS)  # many frames share it


_cached_tail = lru_cache(maxsize=1024)(decode_tail)
_NO_TAIL = encode_tail(Tail("", "", NO_HEADERS))


def _unreadable(data: bytes) -> InputError:
    if len(data) >= _SIZE:
        what = f"of version {data[0]}, and this Weft reads version {VERSION}"
        return InputError(what, where=_WHERE, cure="run the same version of Weft on both sides")
    return InputError(f"{len(data)} bytes are too few", where=_WHERE, cure=_ONLY_WEFT)
