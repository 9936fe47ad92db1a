"""What waits for one browser: the newest picture of each stream, and a bounded number of notes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.dashboard.conftest import jpeg
from weft.core.frame import Frame
from weft.dashboard.shown import Shot, note
from weft.dashboard.viewer import MAX_NOTES, MOST_AT_ONCE, WINDOW, Picture, Viewer

JPEG = jpeg()


def shot(sequence: int, stream: str = "cam/1") -> Shot:
    return Shot(Frame(JPEG, media_type="image/jpeg", stream=stream, sequence=sequence))


def taken(viewer: Viewer) -> list[Any]:
    """Everything that may go now: numbers of pictures, and messages."""
    found: list[Any] = []
    while (one := viewer.now()) is not None:
        found.append(one.shot.frame.sequence if isinstance(one, Picture) else json.loads(one))
    return found


def test_a_picture_that_waits_gives_way_to_a_newer_one() -> None:
    viewer = Viewer()
    for number in range(10):
        viewer.offer(shot(number))
        if number == 1:
            assert taken(viewer) == [1]
    assert taken(viewer) == [9]
    viewer.offer(shot(10))
    assert taken(viewer) == [], "two are under way"
    viewer.drawn("cam/1", 1)
    assert taken(viewer) == [10]
    assert viewer.lanes["cam/1"].dropped == 1 + 7


def test_notes_go_together_and_only_so_many_wait() -> None:
    viewer = Viewer()
    for number in range(MAX_NOTES + 100):
        viewer.note(json.dumps(number))
    first = taken(viewer)
    assert [len(message["notes"]) for message in first] == [MOST_AT_ONCE] * WINDOW
    assert first[0]["notes"][0] == 100
    assert first[0]["dropped"] == viewer.notes_dropped == 100
    viewer.noted(1)
    (more,) = taken(viewer)
    assert more["notes"][0] == 100 + WINDOW * MOST_AT_ONCE


def test_what_is_told_replaces_what_was_not_sent_yet() -> None:
    viewer = Viewer()
    for number in range(1000):
        viewer.tell("state", json.dumps(number))
    assert taken(viewer) == [999]


def test_a_paused_stream_goes_on_with_the_newest_and_counts_nothing() -> None:
    viewer = Viewer()
    viewer.pause(["cam/1"], hidden=False)
    for number in range(5):
        viewer.offer(shot(number))
        viewer.offer(shot(number, "cam/2"))
    assert taken(viewer) == [4]
    viewer.pause([], hidden=False)
    assert taken(viewer) == [4]
    assert viewer.lanes["cam/1"].dropped == 0


def test_a_number_that_was_never_sent_opens_no_window() -> None:
    viewer = Viewer()
    viewer.drawn("cam/1", 5)
    viewer.offer(shot(0))
    taken(viewer)
    viewer.drawn("cam/1", 10**9)
    for number in (1, 2, 3):
        viewer.offer(shot(number))
        taken(viewer)
    assert viewer.lanes["cam/1"].sent == 3
    viewer.noted(10**9)
    viewer.drawn("cam/1", -7)
    assert taken(viewer) == []


_STEPS = st.lists(st.tuples(st.sampled_from(["offer", "drawn", "pause", "send"]), st.integers(0, 3)), max_size=60)


@given(_STEPS)
def test_in_any_order_of_things_the_window_holds_and_the_newest_comes_last(steps: list[tuple[str, int]]) -> None:
    viewer, offered, got = Viewer(), 0, list[int]()
    for step, number in steps:
        if step == "offer":
            viewer.offer(shot(offered))
            offered += 1
        elif step == "drawn":
            viewer.drawn("cam/1", number)
        elif step == "pause":
            viewer.pause(["cam/1"] * (number % 2), hidden=number > 2)
        else:
            got += taken(viewer)
        assert all(lane.sent - lane.drawn <= WINDOW for lane in viewer.lanes.values())
    viewer.pause([], hidden=False)
    viewer.drawn("cam/1", len(got))
    got += taken(viewer)
    assert got == sorted(set(got))
    assert got[-1:] == ([offered - 1] if offered else [])
    assert sum(lane.dropped for lane in viewer.lanes.values()) <= offered - len(got)


@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/plain", "", "a/b"]), st.text(max_size=20))
def test_any_frame_becomes_a_note(payload: bytes, media_type: str, name: str) -> None:
    told = json.loads(note(Frame(payload, media_type=media_type, stream=name, source=name, time_ns=5)))
    assert (told["stream"], told["source"], told["time"]) == (name, name, 5e-6)
    assert isinstance(told["text"], str)
