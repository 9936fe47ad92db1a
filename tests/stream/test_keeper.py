"""The thread that speaks to Zenoh for its callbacks."""

from __future__ import annotations

import threading
from contextlib import closing
from itertools import pairwise

from weft.core.clock import monotonic
from weft.stream.zenoh import keeper as module
from weft.stream.zenoh.keeper import Keeper

WAIT_S = 20.0


def test_jobs_are_done_in_order_and_one_that_fails_harms_no_other() -> None:
    done, seen = threading.Event(), []
    with closing(Keeper()) as keeper:
        keeper.do(lambda: seen.append(1))
        keeper.do(lambda: 1 / 0)
        keeper.do(lambda: seen.append(2))
        keeper.do(done.set)
        assert done.wait(WAIT_S)
    assert seen == [1, 2]


def test_jobs_are_bounded(monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_JOBS", 3)
    begun, go, seen = threading.Event(), threading.Event(), []
    with closing(Keeper()) as keeper:
        keeper.do(lambda: (begun.set(), go.wait(WAIT_S)))
        assert begun.wait(WAIT_S)
        for number in range(5):
            keeper.do(lambda number=number: seen.append(number))
        assert keeper.dropped == 2
        last = threading.Event()
        go.set()
        while not last.is_set():
            keeper.do(last.set)
            last.wait(0.01)
    assert seen == [0, 1, 2]


def test_news_are_never_dropped_and_the_latest_count(monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_JOBS", 1)
    begun, go, done, seen = threading.Event(), threading.Event(), threading.Event(), []
    with closing(Keeper()) as keeper:
        keeper.do(lambda: (begun.set(), go.wait(WAIT_S)))
        assert begun.wait(WAIT_S)
        keeper.do(done.set)
        for number in range(10):
            keeper.note(number % 4, lambda number=number: seen.append(number))
        go.set()
        assert done.wait(WAIT_S)
        assert keeper.dropped == 0
    assert seen == [6, 7, 8, 9]


def test_who_waits_for_it_to_catch_up_finds_all_done_that_was_noted_before() -> None:
    begun, go, seen = threading.Event(), threading.Event(), []
    with closing(Keeper()) as keeper:
        keeper.do(lambda: (begun.set(), go.wait(WAIT_S)))
        assert begun.wait(WAIT_S)
        keeper.note("a", lambda: seen.append(1))
        assert not keeper.catch_up(0.0)
        go.set()
        assert keeper.catch_up(WAIT_S)
        assert seen == [1]


def test_who_wants_to_be_called_is_called_when_it_is_time() -> None:
    times, done = [], threading.Event()

    def timed(now: float) -> float | None:
        times.append(now)
        if len(times) == 3:
            done.set()
            return None
        return now + 0.02

    with closing(Keeper()) as keeper:
        began = monotonic()
        keeper.call(timed, began + 0.05)
        keeper.call(lambda _: 1 / 0, began)  # fails, and is not called again
        assert done.wait(WAIT_S)
    assert times[0] >= began + 0.05
    assert all(later - earlier >= 0.02 for earlier, later in pairwise(times))


def test_closing_does_not_wait_for_times_to_come() -> None:
    keeper = Keeper()
    keeper.call(lambda _: None, monotonic() + 1e6)
    keeper.close()
    assert not keeper._thread.is_alive()
