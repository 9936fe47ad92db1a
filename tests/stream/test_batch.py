"""Many small frames in one message: what is gathered, for how long, and what comes out again."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.errors import InputError
from weft.core.frame import NO_HEADERS, Frame
from weft.stream.batch import (
    BURST_S,
    GATHER_S,
    MOST_BYTES,
    MOST_FRAMES,
    SMALL,
    Gatherer,
    apart,
    bundled,
    frames_in,
    joined,
    unpack,
)
from weft.stream.sent import Sent
from weft.stream.wire import AGAIN, MAX_TAIL, RELIABLE, HeaderWriter, Kind, mark_again, read_header

FRAMES = st.lists(
    st.tuples(st.binary(max_size=80), st.integers(-(2**63), 2**63 - 1), st.sampled_from(["a", "b"])), max_size=300
)


class Sender:
    """A publisher's way to the network, all that went over it, and what it keeps."""

    def __init__(self, keep: int = 10**6, keep_bytes: int = 10**9) -> None:
        self.now = 0.0
        self.gatherer = Gatherer(HeaderWriter(7, RELIABLE), self.send, clock=lambda: self.now)
        self.messages: list[tuple[bytes, bytes]] = []
        self.kept: Sent[tuple[bytes, bytes]] = Sent(keep, keep_bytes)
        self.broken = False

    def send(self, message: tuple[bytes, bytes], frames: int) -> None:
        self.kept.add(message, len(message[0]) + len(message[1]), frames)
        if self.broken:
            raise OSError("the link is cut")
        self.messages.append(message)

    def put(self, now: float, payload: bytes = b"", source: str = "", headers=NO_HEADERS) -> bool:
        self.now, number = now, self.gatherer.sent
        return self.gatherer.put(
            Frame(payload, source=source, sequence=number, time_ns=-number, headers=headers), payload
        )

    def flush(self, now: float) -> None:
        self.now = now
        self.gatherer.flush()

    @property
    def count(self) -> int:
        return self.gatherer.sent

    def again(self, first: int, last: int) -> list[tuple[bytes, bytes]]:
        """What is sent to one who asks for these."""
        return list(bundled(self.kept.between(first, last), first, last))


def received(messages: list[tuple[bytes, bytes]]) -> list[tuple[int, Frame]]:
    """The frames of all messages, with their numbers."""
    found = []
    for head, payload in messages:
        header = read_header(head)
        frames = unpack(header, payload, "s") if header.kind == Kind.BATCH else [header.frame(payload, "s")]
        found += enumerate(frames, header.number)
    return found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.005), st.integers(0, 6000), st.sampled_from(["a", "b"])), max_size=300))
def test_all_frames_come_out_in_order_whatever_their_sizes_and_times(puts) -> None:
    sender, now = Sender(), 0.0
    sent = []
    for pause, size, source in puts:
        now += pause
        payload = random.randbytes(size)
        sender.put(now, payload, source)
        sent.append((payload, source))
    sender.flush(now)
    got = received(sender.messages)
    assert [number for number, _ in got] == list(range(len(sent)))
    assert [(frame.payload, frame.source) for _, frame in got] == sent
    assert [(frame.sequence, frame.time_ns, frame.stream) for _, frame in got] == [
        (number, -number, "s") for number in range(len(sent))
    ]
    assert all(len(payload) <= max(MOST_BYTES + MOST_FRAMES * 20, 6000) for _, payload in sender.messages)


def test_a_lone_frame_and_a_few_at_once_wait_for_nothing() -> None:
    sender = Sender()
    for second in range(5):
        for _ in range(int(BURST_S / GATHER_S)):
            assert not sender.put(float(second))
    assert len(sender.messages) == sender.count


def test_up_to_a_thousand_a_second_go_by_themselves() -> None:
    sender = Sender()
    for number in range(2000):
        assert not sender.put(number * GATHER_S)
    assert len(sender.messages) == 2000


def test_a_stream_that_is_faster_is_gathered_and_says_since_when() -> None:
    sender, flushed = Sender(), 0
    now = 0.0
    for _ in range(100_000):
        now += 5e-6
        if sender.put(now) and now >= sender.gatherer.since + GATHER_S:
            sender.flush(now)
            flushed += 1
    assert flushed == 0  # a batch is full before its time is over
    kinds = [read_header(header).kind for header, _ in sender.messages]
    assert kinds.count(Kind.BATCH) > 100_000 / MOST_FRAMES - 20
    assert len(kinds) < 1000


def test_what_waits_goes_before_a_large_frame_and_before_other_headers() -> None:
    sender = Sender()
    while not sender.put(0.0):
        pass
    sender.put(0.0)
    assert not sender.put(0.0, bytes(SMALL + 1))
    assert not sender.gatherer.waits
    sender.put(0.0, source="x")
    sender.put(0.0, source="x")
    before = len(sender.messages)
    sender.put(0.0, source="y")
    assert len(sender.messages) == before + 1
    sender.flush(0.0)
    numbers = [number for number, _ in received(sender.messages)]
    assert numbers == list(range(sender.count))


def test_one_that_was_gathered_alone_is_an_ordinary_message() -> None:
    sender = Sender()
    while not sender.put(0.0):
        pass
    sender.flush(1.0)
    sender.flush(1.0)
    assert read_header(sender.messages[-1][0]).kind == Kind.FRAME
    assert len(sender.messages) == sender.count


PUTS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([0, 1, 64, 64, 64, SMALL, SMALL + 1]),
            st.sampled_from(["a", "a", "a", "b"]),
            st.sampled_from([NO_HEADERS, NO_HEADERS, {}, {"x": "1"}]),
            st.sampled_from([1, 20, 150]),
        ),
        st.sampled_from(["flush", "wait", "ask"]),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(PUTS, st.integers(1, 400), st.sampled_from([100, 20_000, 10**9]), st.data())
def test_what_is_kept_is_what_was_sent_whatever_was_gathered(puts, keep: int, keep_bytes: int, data) -> None:
    sender, sent = Sender(keep, keep_bytes), []
    for put in puts:
        if put == "flush":
            sender.flush(sender.now)
        elif put == "wait":
            sender.flush(sender.now + 10 * BURST_S)
        elif put == "ask":
            sender.flush(sender.now)
            first = data.draw(st.integers(0, len(sent) + 3))
            last = data.draw(st.integers(first - 1, len(sent) + 3))
            got = received(sender.again(first, last))
            assert [number for number, _ in got] == list(
                range(max(first, sender.kept.oldest), min(last, len(sent) - 1) + 1)
            )
            assert [content(frame) for _, frame in got] == [sent[number] for number, _ in got]
        else:
            size, source, headers, times = put
            for _ in range(times):
                sent.append((len(sent), -len(sent), random.randbytes(size), source, dict(headers)))
                sender.put(sender.now, sent[-1][2], source, headers)
    sender.flush(sender.now)
    assert [content(frame) for _, frame in received(sender.messages)] == sent
    held = [message for _, message in sender.kept.between(0, len(sent))]
    assert sum(map(frames_in, held)) < keep + MOST_FRAMES
    assert sum(len(header) + len(payload) for header, payload in held) <= keep_bytes or len(held) == 1
    if keep_bytes == 10**9:
        assert sum(map(frames_in, held)) >= min(keep, len(sent))


def content(frame: Frame) -> tuple[object, ...]:
    return frame.sequence, frame.time_ns, frame.payload, frame.source, dict(frame.headers)


@settings(max_examples=50, deadline=None)
@given(FRAMES, st.sets(st.integers(0, 300)))
def test_what_is_sent_again_is_bundled_where_the_numbers_follow_each_other(frames, gone) -> None:
    writer = HeaderWriter(7, RELIABLE)
    messages = [
        (number, (writer.write(Frame(payload, sequence=sequence, source=source), number), payload))
        for number, (payload, sequence, source) in enumerate(frames)
        if number not in gone
    ]
    bundles = list(bundled(messages, 0, len(frames)))
    got = received([(mark_again(header), payload) for header, payload in bundles])
    assert [(number, frame.payload) for number, frame in got] == [
        (number, payload) for number, (_, payload) in messages
    ]
    breaks = sum(
        later[0] != sooner[0] + 1 or frames[later[0]][2] != frames[sooner[0]][2] for sooner, later in pairwise(messages)
    )
    assert len(bundles) <= breaks + 1 + len(messages) // MOST_FRAMES
    assert all(read_header(mark_again(header)).flags & AGAIN for header, _ in bundles)


@settings(max_examples=50, deadline=None)
@given(FRAMES.filter(bool))
def test_a_batch_comes_apart_into_the_messages_it_was_made_of(frames) -> None:
    writer = HeaderWriter(7, RELIABLE, age_s=10.0**9)  # older than a header can say: the age stays the same
    messages = [
        (writer.write(Frame(payload, sequence=sequence, time_ns=-1), number), payload)
        for number, (payload, sequence, _) in enumerate(frames, 5)
    ]
    assert apart(joined(messages)) == messages


@pytest.mark.parametrize("wrong", [{"sequence": 2**63}, {"time_ns": 2**63}, {"sequence": 0.5}])
def test_a_frame_that_does_not_fit_is_refused_when_it_is_put_and_gets_no_number(wrong) -> None:
    sender = Sender()
    for _ in range(2):  # alone, and while others are gathered
        with pytest.raises(InputError, match="does not fit 64 bits"):
            sender.gatherer.put(Frame(b"x", **wrong), b"x")
        with pytest.raises(InputError, match="bytes of headers"):
            sender.put(0.0, headers={"x": "x" * MAX_TAIL})
        while not sender.put(0.0, b"y"):
            pass
    sender.flush(0.0)
    got = received(sender.messages)
    assert [(number, frame.payload) for number, frame in got] == [(number, b"y") for number in range(sender.count)]


def test_what_cannot_be_sent_has_its_number_and_can_be_asked_for() -> None:
    sender = Sender()
    while not sender.put(0.0):
        pass
    sender.broken = True
    for source in ("x", "", "x"):
        with pytest.raises(OSError, match="cut"):
            sender.put(0.0, source=source)
    sender.broken = False
    assert not sender.put(0.0, bytes(SMALL + 1))
    assert [number for number, _ in received(sender.again(0, sender.count))] == list(range(sender.count))
    assert received(sender.messages)[-1][0] == sender.count - 1


def test_headers_that_change_after_they_were_put_change_nothing() -> None:
    sender, headers = Sender(), {"x": "0"}
    for number in range(100):
        headers["x"] = str(number // 30)
        sender.put(0.0, headers=headers)
    sender.flush(0.0)
    assert [frame.headers["x"] for _, frame in received(sender.messages)] == [str(n // 30) for n in range(100)]


def batch(count: int = 3) -> tuple[bytes, bytes]:
    writer = HeaderWriter(7, RELIABLE)
    return joined([(writer.write(Frame(b"abc", sequence=number), number), b"abc") for number in range(count)])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: b"",
        lambda good: good[:3],
        lambda good: good[:-1],
        lambda good: good + b"x",
        lambda good: good[:30],
        lambda good: struct.pack("<I", 0) + good[4:],
        lambda good: struct.pack("<I", 2**32 - 1) + good[4:],
        lambda good: struct.pack("<I", 5000) + bytes(5000 * 20),
        lambda good: good[:20] + b"\xff" * 4 + good[24:],
    ],
)
def test_a_malformed_batch_is_refused(spoil) -> None:
    header, payload = batch()
    assert len(unpack(read_header(header), payload, "s")) == 3
    with pytest.raises(InputError, match="malformed batch"):
        unpack(read_header(header), spoil(payload), "s")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(payload: bytes) -> None:
    header = read_header(batch()[0])
    try:
        frames = unpack(header, payload, "s")
    except InputError:
        return
    assert sum(len(frame.payload) for frame in frames) <= len(payload)
