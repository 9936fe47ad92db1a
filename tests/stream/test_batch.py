"""Many small frames in one message: what is gathered, for how long, and what comes out again."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.stream.batch import BURST_S, GATHER_S, MOST_BYTES, MOST_FRAMES, SMALL, Gatherer, bundled, joined, unpack
from weft.stream.wire import AGAIN, RELIABLE, HeaderWriter, Kind, mark_again, read_header

FRAMES = st.lists(
    st.tuples(st.binary(max_size=80), st.integers(-(2**63), 2**63 - 1), st.sampled_from(["a", "b"])), max_size=300
)


class Sender:
    """A publisher's way to the network, and all that went over it."""

    def __init__(self) -> None:
        self.header = HeaderWriter(7, RELIABLE)
        self.gatherer = Gatherer(self.send)
        self.messages: list[tuple[bytes, bytes]] = []
        self.count = 0

    def send(self, payload: bytes, header: bytes) -> None:
        self.messages.append((header, payload))

    def put(self, now: float, payload: bytes = b"", source: str = "") -> bool:
        frame = Frame(payload, source=source, sequence=self.count, time_ns=-self.count)
        self.count += 1
        return self.gatherer.put(self.header.write(frame, self.count - 1), payload, now)


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
    sender.gatherer.flush(now)
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
            sender.gatherer.flush(now)
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
    sender.gatherer.flush(0.0)
    numbers = [number for number, _ in received(sender.messages)]
    assert numbers == list(range(sender.count))


def test_one_that_was_gathered_alone_is_an_ordinary_message() -> None:
    sender = Sender()
    while not sender.put(0.0):
        pass
    sender.gatherer.flush(1.0)
    sender.gatherer.flush(1.0)
    assert read_header(sender.messages[-1][0]).kind == Kind.FRAME
    assert len(sender.messages) == sender.count


@settings(max_examples=50, deadline=None)
@given(FRAMES, st.sets(st.integers(0, 300)))
def test_what_is_sent_again_is_bundled_where_the_numbers_follow_each_other(frames, gone) -> None:
    writer = HeaderWriter(7, RELIABLE)
    messages = [
        (number, (writer.write(Frame(payload, sequence=sequence, source=source), number), payload))
        for number, (payload, sequence, source) in enumerate(frames)
        if number not in gone
    ]
    bundles = list(bundled(messages))
    got = received([(mark_again(header), payload) for header, payload in bundles])
    assert [(number, frame.payload) for number, frame in got] == [
        (number, payload) for number, (_, payload) in messages
    ]
    breaks = sum(
        later[0] != sooner[0] + 1 or frames[later[0]][2] != frames[sooner[0]][2] for sooner, later in pairwise(messages)
    )
    assert len(bundles) <= breaks + 1 + len(messages) // MOST_FRAMES
    assert all(read_header(mark_again(header)).flags & AGAIN for header, _ in bundles)


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
