"""The bounded queue: its policies, its counters, its ends."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flow.actors import PATIENCE_S
from weft.core.frame import Frame
from weft.flow.items import Item, Origin
from weft.flow.queues import FrameQueue, Overflow

LIVE = Origin("cam", live=True)
FILE = Origin("file", live=False)


def item(number: int, origin: Origin = LIVE) -> Item:
    return Item(Frame(b"", sequence=number), origin, 0.0)


def drain(queue: FrameQueue) -> list[int]:
    queue.close()
    return [taken.frame.sequence for taken in iter(queue.get, None)]


def holds(queue: FrameQueue) -> None:
    counts = queue.counts()
    assert counts.entered == counts.left + counts.dropped + counts.abandoned + counts.depth
    assert counts.depth <= counts.peak <= counts.size


def test_frames_come_out_in_order_and_then_none() -> None:
    queue = FrameQueue(4)
    assert all(queue.put(item(number)) for number in range(4))
    assert drain(queue) == [0, 1, 2, 3]
    assert queue.get() is None
    assert queue.counts().peak == 4


def test_drop_oldest_keeps_the_newest() -> None:
    queue = FrameQueue(3, "drop_oldest")
    assert [queue.put(item(number)) for number in range(10)] == 10 * [True]
    assert queue.counts().dropped == 7
    assert drain(queue) == [7, 8, 9]


def test_drop_newest_keeps_those_that_wait() -> None:
    queue = FrameQueue(3, "drop_newest")
    assert [queue.put(item(number)) for number in range(5)] == [True, True, True, False, False]
    assert queue.counts().dropped == 2
    assert drain(queue) == [0, 1, 2]


def test_a_files_frame_drives_out_the_oldest_live_one() -> None:
    queue = FrameQueue(3, "drop_oldest")
    for each in (item(0, FILE), item(1), item(2)):
        queue.put(each)
    assert queue.put(item(3, FILE))
    assert drain(queue) == [0, 2, 3]


def test_a_live_frame_gives_way_where_only_files_wait() -> None:
    queue = FrameQueue(1, "drop_oldest")
    queue.put(item(0, FILE))
    assert not queue.put(item(1))
    assert queue.counts().dropped == 1
    assert drain(queue) == [0]


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "drop_newest"])
def test_a_files_frame_waits_for_room_whatever_the_policy(overflow: Overflow) -> None:
    queue = FrameQueue(1, overflow)
    queue.put(item(0, FILE))
    producer = threading.Thread(target=queue.put, args=(item(1, FILE),))
    producer.start()
    assert [queue.get().frame.sequence for _ in range(2)] == [0, 1]
    producer.join(PATIENCE_S)
    assert queue.counts().dropped == 0
    holds(queue)


def test_a_live_frame_waits_where_the_policy_is_block() -> None:
    queue = FrameQueue(1)
    producer = threading.Thread(target=lambda: [queue.put(item(number)) for number in range(50)])
    producer.start()
    assert [queue.get().frame.sequence for _ in range(50)] == list(range(50))
    producer.join(PATIENCE_S)
    assert queue.counts().peak == 1


def test_abort_wakes_a_producer_that_waits() -> None:
    queue = FrameQueue(1)
    queue.put(item(0))
    results: list[bool] = []
    waits = threading.Thread(target=lambda: results.append(queue.put(item(1))))
    waits.start()
    queue.abort()
    waits.join(PATIENCE_S)
    assert results == [False]
    assert queue.get() is None
    assert queue.counts().abandoned == 2
    holds(queue)


@pytest.mark.parametrize("end", [FrameQueue.close, FrameQueue.abort])
def test_the_end_wakes_every_consumer_that_waits(end: object) -> None:
    queue = FrameQueue(1)
    got: list[object] = []
    waiting = [threading.Thread(target=lambda: got.append(queue.get())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    end(queue)
    for thread in waiting:
        thread.join(PATIENCE_S)
    assert got == [None, None, None]


def test_after_abort_frames_are_abandoned_at_once() -> None:
    queue = FrameQueue(2)
    queue.abort()
    assert not queue.put(item(0))
    assert queue.counts().abandoned == 1


@given(
    size=st.integers(1, 5),
    overflow=st.sampled_from(["drop_oldest", "drop_newest"]),
    steps=st.lists(st.one_of(st.just("get"), st.just("live"), st.just("file")), max_size=40),
)
def test_counters_always_add_up_and_files_are_never_dropped(size: int, overflow: Overflow, steps: list[str]) -> None:
    queue = FrameQueue(size, overflow)
    files: list[int] = []
    out: list[Item] = []
    waiting: list[str] = []
    for number, step in enumerate(steps):
        if step == "get" and waiting:
            out.append(queue.get())
            waiting.remove("live" if out[-1].origin.live else "file")
        elif step == "live":
            queue.put(item(number))
        elif step == "file" and waiting.count("file") < size and (overflow == "drop_oldest" or len(waiting) < size):
            files.append(number)
            queue.put(item(number, FILE))
        holds(queue)
        waiting = ["live" if queued.origin.live else "file" for queued in queue._items]
    queue.close()
    out += iter(queue.get, None)
    assert [each.frame.sequence for each in out if not each.origin.live] == files
    assert [each.frame.sequence for each in out] == sorted(each.frame.sequence for each in out)


def test_many_producers_and_consumers_lose_nothing() -> None:
    queue = FrameQueue(3)
    got: list[int] = []

    def consume() -> None:
        got.extend(taken.frame.sequence for taken in iter(queue.get, None))

    producers = [
        threading.Thread(target=lambda first=first: [queue.put(item(first + n, FILE)) for n in range(200)])
        for first in (0, 200, 400)
    ]
    consumers = [threading.Thread(target=consume) for _ in range(2)]
    for thread in producers + consumers:
        thread.start()
    for thread in producers:
        thread.join(PATIENCE_S)
    queue.close()
    for thread in consumers:
        thread.join(PATIENCE_S)
    assert sorted(got) == list(range(600))
    assert queue.counts().peak <= 3
    holds(queue)
