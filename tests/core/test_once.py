"""Things many threads share."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from weft.core.once import Once


def test_threads_that_ask_at_once_get_the_same_thing() -> None:
    all_there = threading.Barrier(8)
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    shared = Once(make)

    def ask(_: int) -> object:
        all_there.wait()
        return shared()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(8)))
    assert len(made) == 1
    assert set(map(id, results)) == {id(made[0])}


def test_a_failure_is_not_kept() -> None:
    outcomes = iter([ValueError("not yet"), None])

    @Once
    def thing() -> str:
        """A thing."""
        if error := next(outcomes):
            raise error
        return "made"

    with pytest.raises(ValueError, match="not yet"):
        thing()
    assert thing() == "made"
    assert thing.__doc__ == "A thing."
