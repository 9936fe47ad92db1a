"""The bounded pool."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from weft.nn.pool import Pool


def test_one_caller_needs_one_item():
    pool = Pool(object, limit=4)
    used = []
    for _ in range(5):
        with pool.use() as item:
            used.append(item)
    assert len(set(map(id, used))) == pool.made == 1
    assert pool.waits == 0


def test_there_are_never_more_than_the_limit_and_waiting_is_counted():
    pool = Pool(object, limit=2)
    busy, most, lock, both = set(), [], threading.Lock(), threading.Barrier(2)

    def work(turn: int) -> None:
        with pool.use() as item:
            with lock:
                assert item not in busy
                busy.add(item)
                most.append(len(busy))
            if turn < 2:
                both.wait(10)
            with lock:
                busy.remove(item)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(40)))
    assert max(most) == pool.made == 2


def test_a_caller_beyond_the_limit_waits_for_a_free_item():
    pool = Pool(object, limit=1)
    entered = threading.Event()

    def second() -> int:
        entered.set()
        with pool.use() as item:
            return id(item)

    with ThreadPoolExecutor(1) as threads:
        with pool.use() as item:
            waiting = threads.submit(second)
            entered.wait(10)
            while not pool.waits:
                threading.Event().wait(0.001)
            assert not waiting.done()
        assert waiting.result(10) == id(item)
    assert (pool.made, pool.waits) == (1, 1)


def test_an_item_in_use_when_something_failed_is_thrown_away():
    pool = Pool(object, limit=1)
    with pytest.raises(KeyError), pool.use() as broken:
        raise KeyError("x")
    with pool.use() as item:
        assert item is not broken
    assert pool.made == 2


def test_a_maker_that_fails_gives_its_place_back():
    makers = iter([ValueError("no memory"), None])

    def make() -> object:
        if error := next(makers):
            raise error
        return object()

    pool = Pool(make, limit=1)
    with pytest.raises(ValueError, match="no memory"), pool.use():
        pass
    with pool.use() as item:
        assert item
