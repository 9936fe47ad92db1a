"""The bounded queue before a reader."""

from __future__ import annotations

import gc
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.frame import Frame
from weft.stream.inbox import Inbox

STEPS = st.lists(st.tuples(st.sampled_from(["live", "reliable", "get"]), st.integers(0, 40)), max_size=60)


def frame(number: int, size: int = 0) -> Frame:
    return Frame(bytes(size), sequence=number, time_ns=0)


@given(st.integers(1, 5), st.integers(1, 100), STEPS)
def test_it_is_bounded_in_order_and_counts_what_it_drops(most: int, most_bytes: int, steps) -> None:
    inbox = Inbox(most, most_bytes)
    live, reliable, got = [], [], []
    for number, (step, size) in enumerate(steps):
        if step == "get":
            got += [] if (found := inbox.get()) is None else [found.sequence]
        elif step == "live":
            inbox.put(frame(number, size), live=True)
            live.append(number)
        elif inbox.room():
            assert inbox.put(frame(number, size), live=False)
            reliable.append(number)
        assert len(inbox) <= most
        assert inbox._bytes == sum(size for _, _, size, _ in inbox._items)
        assert inbox._bytes <= most_bytes + 40
    while (found := inbox.get()) is not None:
        got.append(found.sequence)
    assert got == sorted(got)
    assert [number for number in got if number in reliable] == reliable
    assert len(got) + inbox.dropped == len(live) + len(reliable)


def test_live_frames_push_out_the_oldest_live_one() -> None:
    inbox = Inbox(2)
    for number in range(5):
        inbox.put(frame(number), live=True)
    assert [inbox.get().sequence, inbox.get().sequence, inbox.get()] == [3, 4, None]
    assert inbox.dropped == 3


def test_a_large_live_frame_pushes_out_as_many_as_it_takes() -> None:
    inbox = Inbox(10, 100)
    for number in range(10):
        inbox.put(frame(number, 10), live=True)
    inbox.put(frame(10, 95), live=True)
    assert (inbox.get().sequence, inbox.get(), inbox.dropped) == (10, None, 10)


def test_a_flood_of_live_frames_does_not_starve_reliable_ones() -> None:
    inbox = Inbox(3)
    for number in range(9):
        inbox.put(frame(number), live=True)
    assert inbox.room() == 3
    assert inbox.put(frame(100), live=False)
    inbox.put(frame(9), live=True)
    assert [inbox.get().sequence for _ in range(3)] == [8, 100, 9]


def test_a_live_frame_finds_no_room_beside_reliable_ones() -> None:
    inbox = Inbox(2)
    for number in range(2):
        inbox.put(frame(number), live=False)
    assert inbox.room() == 0
    assert not inbox.put(frame(5), live=True)
    assert (inbox.dropped, inbox.get().sequence) == (1, 0)


def test_a_closed_one_takes_nothing_and_gives_what_it_has() -> None:
    inbox = Inbox(3)
    inbox.put(frame(1), live=False)
    inbox.close()
    assert not inbox.put(frame(2), live=False)
    assert not inbox.ended
    assert inbox.get().sequence == 1
    assert inbox.ended


def test_a_waiting_reader_is_woken_by_a_frame() -> None:
    inbox, got = Inbox(3), []

    def read() -> None:
        while (found := inbox.get()) is None:
            inbox.wait(20)
        got.append(found.sequence)

    reader = threading.Thread(target=read)
    reader.start()
    inbox.put(frame(7), live=True)
    reader.join(20)
    assert got == [7]


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 100), st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 40), max_size=8)))
)
def test_several_at_once_are_taken_as_one_after_the_other(most: int, most_bytes: int, steps) -> None:
    one, other = Inbox(most, most_bytes), Inbox(most, most_bytes)
    number = 0
    for live, sizes in steps:
        frames = [frame(number + index, size) for index, size in enumerate(sizes[: None if live else one.room()])]
        number += len(frames)
        one.put_all(frames, live=live)
        for each in frames:
            other.put(each, live=live)
        assert list(one._items) == list(other._items)
        assert (one._bytes, one._reliable, one._reliable_bytes) == (
            other._bytes,
            other._reliable,
            other._reliable_bytes,
        )
        assert (one.dropped, one.room()) == (other.dropped, other.room())
        one.get()
        other.get()


def test_reliable_frames_there_was_room_for_are_taken_over_the_bytes() -> None:
    """Whoever offers several has looked for room once, and takes them for delivered."""
    inbox = Inbox(8, 100)
    inbox.put(frame(0, 90), live=False)
    assert inbox.room() == 7
    assert all(inbox.put(frame(number, 90), live=False) for number in range(1, 4))
    assert inbox.room() == 0
    inbox.put_all([frame(4, 90), frame(5, 90)], live=False)
    assert [found.sequence for found in iter(inbox.get, None)] == [0, 1, 2, 3, 4, 5]


class Dropped:
    """Wakes the reader when nobody has it any more, as the last of a pipeline's frame does: on whatever thread."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox, self.itself = inbox, self

    def __del__(self) -> None:
        self.inbox.wake()


def test_what_is_collected_while_a_frame_is_put_may_wake_the_reader() -> None:
    frames = [frame(number) for number in range(160)]
    inbox, before = Inbox(len(frames)), gc.get_threshold()

    def put() -> None:
        for number, one in enumerate(frames):
            gc.collect(0)
            gc.set_threshold(4 + number % 16, 10**6, 10**6)  # sooner or later in what follows
            Dropped(inbox)
            inbox.put_all([one], live=True)

    putting = threading.Thread(target=put, daemon=True)
    try:
        putting.start()
        putting.join(20)
    finally:
        gc.set_threshold(*before)
    assert not putting.is_alive()
    assert len(inbox) == len(frames)
