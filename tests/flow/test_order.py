"""Order with replicas: whatever order work ends in, frames of one source leave in the order they came."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flow.actors import PATIENCE_S
from weft.core.frame import Frame
from weft.flow.items import Item, Origin
from weft.flow.order import OrderedLane, Reorder, Ticket
from weft.flow.queues import FrameQueue


@given(data=st.data(), window=st.integers(1, 6), keys=st.lists(st.sampled_from("abc"), max_size=40))
def test_any_order_of_finishing_gives_per_key_order_without_loss(data: st.DataObject, window: int, keys: str) -> None:
    reorder: Reorder[int] = Reorder(window)
    coming = list(enumerate(keys))
    open_tickets: list[tuple[Ticket[int], int]] = []
    released: dict[str, list[int]] = {key: [] for key in "abc"}
    while coming or open_tickets:
        can_take = bool(coming) and not reorder.full(coming[0][1])
        if can_take and (not open_tickets or data.draw(st.booleans())):
            number, key = coming.pop(0)
            open_tickets.append((reorder.take(key), number))
        else:
            ticket, number = open_tickets.pop(data.draw(st.integers(0, len(open_tickets) - 1)))
            reorder.finish(ticket, number)
            while (ready := reorder.release(ticket.key)) is not None:
                released[ticket.key].append(ready.value)
        assert all(sum(t.key == key for t, _ in open_tickets) <= window for key in "abc")
    for key in "abc":
        assert released[key] == [number for number, own in enumerate(keys) if own == key]


def test_a_slow_frame_fills_the_window_of_its_own_source_only() -> None:
    reorder: Reorder[str] = Reorder(2)
    slow = reorder.take("a")
    quick = reorder.take("a")
    reorder.finish(quick, "quick")
    assert reorder.full("a")
    assert not reorder.full("b")
    assert reorder.release("a") is None
    reorder.finish(slow, "slow")
    assert [reorder.release("a").value, reorder.release("a").value, reorder.release("a")] == ["slow", "quick", None]
    assert not reorder.full("a")


def test_a_ticket_finishes_once_and_only_within_the_window() -> None:
    reorder: Reorder[int] = Reorder(1)
    ticket = reorder.take("a")
    with pytest.raises(AssertionError, match="full"):
        reorder.take("a")
    reorder.finish(ticket, 1)
    with pytest.raises(AssertionError, match="once"):
        reorder.finish(ticket, 2)


def lane(count: int, window: int) -> tuple[OrderedLane, list[int], FrameQueue]:
    queue = FrameQueue(max(count, 1))
    origin = Origin("file", live=False)
    for number in range(count):
        queue.put(Item(Frame(b"", sequence=number), origin, 0.0))
    out: list[int] = []
    return OrderedLane(queue, lambda items: out.extend(item.frame.sequence for item in items), window), out, queue


def test_a_lane_emits_when_the_oldest_is_done() -> None:
    ordered, out, _ = lane(3, 8)
    jobs = [ordered.take() for _ in range(3)]
    ordered.finish(jobs[2], [jobs[2].item])
    ordered.finish(jobs[1], ())
    assert out == []
    ordered.finish(jobs[0], [jobs[0].item])
    assert out == [0, 2]


def test_a_worker_waits_for_the_window_until_the_oldest_is_done() -> None:
    ordered, _, queue = lane(3, 2)
    jobs = [ordered.take() for _ in range(2)]
    taken: list[object] = []
    waits = threading.Thread(target=lambda: taken.append(ordered.take()))
    waits.start()
    ordered.finish(jobs[1], ())
    assert taken == []
    ordered.finish(jobs[0], ())
    waits.join(PATIENCE_S)
    assert [job.item.frame.sequence for job in taken] == [2]
    assert queue.counts().left == 3


def test_abort_frees_a_worker_that_waits_for_the_window() -> None:
    ordered, _, queue = lane(2, 1)
    ordered.take()
    taken: list[object] = []
    waits = threading.Thread(target=lambda: taken.append(ordered.take()))
    waits.start()
    ordered.abort()
    waits.join(PATIENCE_S)
    assert taken == [None]
    assert queue.counts().abandoned == 1


def test_an_error_while_emitting_leaves_the_lane_usable() -> None:
    queue = FrameQueue(2)
    for number in range(2):
        queue.put(Item(Frame(b"", sequence=number), Origin("file", live=False), 0.0))
    out: list[int] = []

    def emit(items: list[Item]) -> None:
        if items[0].frame.sequence == 0:
            raise RuntimeError("no")
        out.append(items[0].frame.sequence)

    ordered = OrderedLane(queue, emit, 4)
    first, second = ordered.take(), ordered.take()
    with pytest.raises(RuntimeError, match="no"):
        ordered.finish(first, [first.item])
    ordered.finish(second, [second.item])
    assert out == [1]
