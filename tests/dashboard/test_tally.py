"""What is counted of each stream, and how much of it is kept."""

from __future__ import annotations

import pytest

from weft.core.errors import MediaError
from weft.core.frame import Frame
from weft.dashboard import tally
from weft.dashboard.tally import MAX_STREAMS, Tallies


def frame(stream: str, size: int = 10, sequence: int = 0) -> Frame:
    return Frame(bytes(size), stream=stream, sequence=sequence, headers={"reconnects": "3"})


def test_last_frames_are_kept_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_KEPT", 100)
    tallies = Tallies()
    for stream, size in (("a", 60), ("b", 60), ("a", 30), ("b", 70)):
        tallies.count(frame(stream, size), "note")
    kept = {name: one.last for name, one in tallies.all().items()}
    assert kept["a"] is not None
    assert kept["b"] is not None
    tallies.count(frame("c", 1), "note")
    assert tallies.of("c").last is None
    assert (tallies.of("c").frames, tallies.of("b").frames) == (1, 2)


def test_only_so_many_streams_are_counted() -> None:
    tallies = Tallies()
    for number in range(MAX_STREAMS + 3):
        assert (tallies.count(frame(f"{number}"), "note") is None) is (number >= MAX_STREAMS)
    assert (len(tallies.all()), tallies.left_out) == (MAX_STREAMS, 3)


def test_a_damaged_picture_is_bad_until_the_next_one_comes() -> None:
    tallies = Tallies()
    first, second = frame("a"), frame("a", sequence=1)
    one = tallies.count(first, "picture")
    assert one is not None
    one.spoilt(first, MediaError("it is torn"))
    assert one.record()["bad"] is True
    tallies.count(second, "picture")
    one.spoilt(first, MediaError("it is torn"))
    told = one.record()
    assert (told["bad"], told["damaged"], told["reason"], told["reconnects"]) == (False, 2, "it is torn", "3")
