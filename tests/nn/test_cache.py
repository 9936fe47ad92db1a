"""The shared cache: one load for many, counters, and what goes first."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from weft.nn.cache import CacheStats, SharedCache


class Thing:
    """Something that can be weakly held."""


def test_what_nobody_holds_is_kept_up_to_the_bound():
    cache: SharedCache[Thing] = SharedCache(100)
    for key in "abc":
        cache.get(key, 40, Thing)
    gc.collect()
    assert cache.stats() == CacheStats(loads=3, hits=0, evictions=1, kept=2, kept_bytes=80)
    cache.get("b", 40, Thing)
    cache.get("a", 40, Thing)
    assert cache.stats() == CacheStats(loads=4, hits=1, evictions=2, kept=2, kept_bytes=80)


def test_the_one_used_longest_ago_goes_first():
    cache: SharedCache[Thing] = SharedCache(100)
    cache.get("a", 40, Thing)
    cache.get("b", 40, Thing)
    cache.get("a", 40, Thing)
    cache.get("c", 40, Thing)
    cache.get("a", 40, Thing)
    assert cache.stats().loads == 3


def test_one_that_is_held_is_found_again_after_it_was_let_go():
    cache: SharedCache[Thing] = SharedCache(10)
    held = cache.get("a", 10, Thing)
    cache.get("b", 10, Thing)
    assert cache.stats().evictions == 1
    assert cache.get("a", 10, Thing) is held


def test_one_larger_than_the_bound_is_kept_until_the_next():
    cache: SharedCache[Thing] = SharedCache(10)
    cache.get("big", 1000, Thing)
    cache.get("big", 1000, Thing)
    assert cache.stats() == CacheStats(loads=1, hits=1, evictions=0, kept=1, kept_bytes=1000)


def test_all_who_wait_get_the_error_and_the_next_one_tries_again():
    cache: SharedCache[Thing] = SharedCache(10)
    together, waiting = threading.Barrier(4), threading.Event()
    made = []

    def fail() -> Thing:
        made.append(1)
        waiting.wait(10)
        raise ValueError("broken")

    def ask(_: int) -> str:
        if together.wait() == 0:
            waiting.set()
        with pytest.raises(ValueError, match="broken"):
            cache.get("a", 1, fail)
        return "failed"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == ["failed"] * 4
    assert len(made) <= 4
    assert isinstance(cache.get("a", 1, Thing), Thing)
    assert cache.stats().loads == 1


def test_forgetting_takes_only_what_matches():
    cache: SharedCache[Thing] = SharedCache(100)
    kept, gone = cache.get("kept", 1, Thing), cache.get("gone", 1, Thing)
    assert cache.forget(lambda key: key == "gone") == 1
    assert cache.get("kept", 1, Thing) is kept
    assert cache.get("gone", 1, Thing) is not gone
