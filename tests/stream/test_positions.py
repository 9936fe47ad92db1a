"""Positions of a consumer with a name: what was delivered, what may have been, and what was not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.errors import UnavailableError
from weft.stream import database
from weft.stream import positions as module
from weft.stream.base import Consumer, Mark
from weft.stream.positions import Positions


def opened(folder: Path, *, from_start: bool = False) -> Positions:
    return Positions(Consumer("c", from_start, folder))


def test_a_new_one_begins_with_what_is_new_or_with_the_start(tmp_path: Path) -> None:
    new, start = opened(tmp_path / "1"), opened(tmp_path / "2", from_start=True)
    assert (new.begin(1, "a", 41), start.begin(1, "a", 41)) == (41, 0)
    new.close()
    start.close()


def test_it_goes_on_behind_what_was_delivered(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.begin(1, "a", 5)
    first.begin(2, "b", 7)
    for number in (5, 6):
        assert first.hand(Mark(1, number)) is False
        first.delivered(Mark(1, number))
    first.hand(Mark(2, 7))
    first.close()
    again = opened(tmp_path)
    assert (again.begin(1, "a", 99), again.begin(2, "b", 99)) == (7, 7)
    assert again.hand(Mark(1, 7)) is False
    assert again.hand(Mark(2, 7)) is True
    assert again.hand(Mark(2, 8)) is False
    again.close()


def test_a_publisher_on_another_stream_is_another_one(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.begin(1, "a", 5)
    first.close()
    again = opened(tmp_path)
    assert again.begin(1, "b", 0) == 0
    again.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.permutations(range(8)), st.integers(0, 8))
def test_in_whichever_order_it_is_delivered_nothing_that_was_not_is_passed_over(
    tmp_path_factory: pytest.TempPathFactory, handed: int, order: list[int], done: int
) -> None:
    folder = tmp_path_factory.mktemp("positions")
    first = opened(folder)
    first.begin(1, "a", 0)
    for number in range(handed):
        first.hand(Mark(1, number))
    delivered = {number for number in order[:done] if number < handed}
    for number in delivered:
        first.delivered(Mark(1, number))
    first.close()
    again = opened(folder)
    found = again.begin(1, "a", 99)
    assert found == min((number for number in range(handed) if number not in delivered), default=handed)
    for number in range(found, handed + 1):
        assert again.hand(Mark(1, number)) is (number < handed)
    again.close()


def test_after_close_nothing_is_given_out(tmp_path: Path) -> None:
    positions = opened(tmp_path)
    positions.begin(1, "a", 0)
    positions.close()
    positions.close()
    assert positions.hand(Mark(1, 0)) is None
    positions.delivered(Mark(1, 0))
    positions.save()


def test_publishers_not_heard_of_for_longest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POSITIONS", 3)
    first = opened(tmp_path)
    for publisher in (1, 2, 3, 1, 4):
        first.begin(publisher, "a", 10 * publisher)
    first.close()
    again = opened(tmp_path)
    assert sorted(again._known) == [1, 3, 4]
    again.close()


def test_one_process_uses_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    first = opened(tmp_path)
    with pytest.raises(UnavailableError, match="another process uses this consumer's position"):
        opened(tmp_path)
    first.close()


CHILD = """
import os, signal, sys
from pathlib import Path
from weft.stream.base import Consumer, Mark
from weft.stream.positions import Positions
positions = Positions(Consumer("c", folder=Path(sys.argv[1])))
positions.begin(1, "a", 0)
for number in range(5):
    positions.hand(Mark(1, number))
    positions.delivered(Mark(1, number))
positions.hand(Mark(1, 5))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_had_saved_all_but_the_frame_in_its_hand(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", CHILD, tmp_path], check=False).returncode == -9
    again = opened(tmp_path)
    assert again.begin(1, "a", 99) == 5
    assert again.hand(Mark(1, 5)) is True
    again.close()
