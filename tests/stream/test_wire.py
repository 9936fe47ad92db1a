"""The header beside a payload: what goes in comes out, and nothing that comes in does harm."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.stream import wire
from weft.stream.base import PublishOptions
from weft.stream.wire import HeaderWriter, Kind, Tail, encode_tail, flags_of, mark_again, read_header

I64 = st.integers(-(2**63), 2**63 - 1)
U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
HEADERS = st.dictionaries(TEXT, TEXT, max_size=6)


@given(TEXT, TEXT, HEADERS, I64, I64, U64, U64, st.integers(0, 7), st.binary(max_size=50))
def test_what_is_written_is_read(media, source, headers, sequence, time_ns, publisher, number, flags, payload) -> None:
    sent = Frame(payload, media_type=media, source=source, headers=headers, sequence=sequence, time_ns=time_ns)
    header = read_header(HeaderWriter(publisher, flags).write(sent, number))
    got = header.frame(payload, "cam/1")
    assert (header.kind, header.flags, header.publisher, header.number) == (Kind.FRAME, flags, publisher, number)
    assert (got.payload, got.media_type, got.source, dict(got.headers)) == (payload, media, source, headers)
    assert (got.stream, got.sequence, got.time_ns) == ("cam/1", sequence, time_ns)


@given(st.binary(max_size=200))
def test_bytes_from_anybody_are_read_or_refused(data: bytes) -> None:
    with suppress(InputError):
        read_header(data)


@given(st.binary(max_size=100), st.integers(0, 2**16 - 1))
def test_a_tail_from_anybody_is_read_or_refused(tail: bytes, flags: int) -> None:
    try:
        header = read_header(struct.pack("<BBHqqQQ", wire.VERSION, 0, flags, 0, 0, 1, 2) + tail)
    except InputError:
        return
    assert all(isinstance(text, str) for pair in header.tail.headers.items() for text in pair)


@given(st.integers(0, 255).filter(lambda version: version != wire.VERSION))
def test_another_version_is_named(version: int) -> None:
    data = bytes([version]) + HeaderWriter(1, 0).write(Frame(b""), 0)[1:]
    with pytest.raises(InputError, match=f"of version {version}, and this Weft reads version {wire.VERSION}"):
        read_header(data)


@given(st.integers(0, 35))
def test_a_header_that_is_cut_is_refused(length: int) -> None:
    with pytest.raises(InputError, match="too few"):
        read_header(HeaderWriter(1, 0).write(Frame(b""), 0)[:length])


def test_headers_over_the_limit_are_refused_on_both_sides() -> None:
    big = Frame(b"", headers={"k": "v" * wire.MAX_TAIL})
    with pytest.raises(InputError, match="at most 65536"):
        HeaderWriter(1, 0).write(big, 0)
    with pytest.raises(InputError, match="at most 65536"):
        read_header(HeaderWriter(1, 0).note(Kind.BEAT, 0) + bytes(wire.MAX_TAIL))


@pytest.mark.parametrize("headers", [{"k": 1}, {1: "v"}, {"k": None}, {"k": "\ud800"}, {"k": ["v"]}])
def test_headers_that_are_no_text_are_refused_where_they_are_sent(headers) -> None:
    with pytest.raises(InputError, match="must be text"):
        HeaderWriter(1, 0).write(Frame(b"", headers=headers), 0)


@pytest.mark.parametrize(("publisher", "number"), [(2**63, 0), (1, 2**62), (2**64 - 1, 2**64 - 1)])
def test_numbers_that_no_consumer_can_keep_are_refused(publisher: int, number: int) -> None:
    flags = wire.RELIABLE | wire.DURABLE
    with pytest.raises(InputError, match="no durable publisher"):
        read_header(HeaderWriter(publisher, flags).write(Frame(b""), number))
    assert read_header(HeaderWriter(2**63 - 1, flags).write(Frame(b""), 2**62 - 1)).number == 2**62 - 1
    assert read_header(HeaderWriter(publisher, wire.RELIABLE).write(Frame(b""), number)).number == number


@pytest.mark.parametrize("sequence", [2**63, -(2**63) - 1])
def test_a_sequence_that_does_not_fit_is_refused(sequence: int) -> None:
    with pytest.raises(InputError, match="64 bits"):
        HeaderWriter(1, 0).write(Frame(b"", sequence=sequence), 0)


def test_headers_that_change_in_place_are_seen() -> None:
    writer, headers = HeaderWriter(1, 0), {"k": "1"}
    frame = Frame(b"", headers=headers)
    writer.write(frame, 0)
    headers["k"] = "2"
    assert dict(read_header(writer.write(frame, 1)).tail.headers) == {"k": "2"}


def test_a_tail_is_read_once_and_shared_but_nobody_can_change_it() -> None:
    data = HeaderWriter(1, 0).write(Frame(b"", headers={"k": "v"}), 0)
    one, two = read_header(data), read_header(data)
    assert one.tail is two.tail
    with pytest.raises(TypeError):
        one.tail.headers["k"] = "w"  # type: ignore[index]


def test_large_tails_are_not_kept() -> None:
    before = wire._cached_tail.cache_info().currsize
    data = HeaderWriter(1, 0).write(Frame(b"", headers={"k": "v" * 2000}), 0)
    assert read_header(data).tail is not read_header(data).tail
    assert wire._cached_tail.cache_info().currsize == before
    assert wire._cached_tail.cache_info().maxsize is not None


def test_unknown_flags_and_kinds_are_read() -> None:
    header = read_header(struct.pack("<BBHqqQQI", 1, 77, 0xFFFF, 0, 0, 1, 2, 3) + encode_tail(Tail("", "", {})))
    assert (header.kind, header.flags) == (77, 0xFFFF)


def test_sent_again_is_marked_and_nothing_else_changes() -> None:
    data = HeaderWriter(5, wire.RELIABLE).write(Frame(b"", sequence=3), 9)
    again = read_header(mark_again(data))
    assert again.flags == wire.RELIABLE | wire.AGAIN
    assert (again.sequence, again.number, again.publisher) == (3, 9, 5)


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (PublishOptions(), 0),
        (PublishOptions("reliable"), wire.RELIABLE),
        (PublishOptions(latest=True), wire.LATEST),
        (PublishOptions("reliable", latest=True), wire.RELIABLE | wire.LATEST),
    ],
)
def test_flags_say_what_is_promised(options: PublishOptions, flags: int) -> None:
    assert flags_of(options) == flags
