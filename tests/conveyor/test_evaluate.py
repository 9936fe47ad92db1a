"""The score: on cases small enough to count by hand, and on what must hold for all."""

from __future__ import annotations

import json

import pytest
from conveyor.evaluate import ALARM_FRAMES, FULL_VIEW, Seen, overlap, read_results, score
from conveyor.scene import Box
from hypothesis import given, settings
from hypothesis import strategies as st

HERE = (0.1, 0.1, 0.3, 0.3)
THERE = (0.6, 0.6, 0.8, 0.8)


def shown(label="nut", box=HERE, part=0, visible=1.0):
    return Box(label, box, part, visible)


def said(label="nut", box=HERE, points=0.9):
    return Seen(label, points, box)


def test_a_right_box_is_right():
    report = score({0: [said()]}, [[shown()]])
    assert (report.boxes.right, report.boxes.wrong, report.boxes.missed) == (1, 0, 0)
    assert (report.found, report.missed, report.false_alarms) == (1, 0, 0)


def test_the_wrong_label_is_a_miss_and_a_wrong_box():
    report = score({0: [said("gear")]}, [[shown("nut")]])
    assert report.labels["gear"].wrong == 1
    assert report.labels["nut"].missed == 1
    assert report.boxes.precision == report.boxes.recall == 0


def test_a_box_elsewhere_is_wrong():
    report = score({0: [said(box=THERE)]}, [[shown()]])
    assert (report.boxes.right, report.boxes.wrong, report.boxes.missed) == (0, 1, 1)


def test_a_part_is_taken_by_the_better_box_only():
    report = score({0: [said(points=0.6), said(points=0.9)]}, [[shown()]])
    assert (report.boxes.right, report.boxes.wrong) == (1, 1)


def test_two_parts_of_one_label_take_the_box_that_is_theirs():
    near = (0.12, 0.1, 0.32, 0.3)
    report = score({0: [said(box=near), said(box=HERE)]}, [[shown(part=0), shown(box=near, part=1)]])
    assert (report.boxes.right, report.boxes.wrong, report.boxes.missed) == (2, 0, 0)


def test_a_part_at_the_edge_neither_counts_nor_harms():
    cut = shown(box=(0.0, 0.1, 0.1, 0.3), visible=FULL_VIEW - 0.1)
    for results in ({}, {0: [said(box=cut.box)]}, {0: [said("gear", box=cut.box)]}):
        report = score(results, [[cut]])
        assert (report.boxes.right, report.boxes.wrong, report.boxes.missed, report.parts) == (0, 0, 0, [])


def test_a_frame_without_results_misses_its_parts():
    report = score({}, [[shown()], [shown()]])
    assert (report.boxes.missed, report.missed) == (2, 1)


@pytest.mark.parametrize(("right", "found"), [(0, 0), (4, 0), (5, 1), (10, 1)])
def test_a_part_is_found_when_right_in_half_of_its_frames(right, found):
    report = score({i: [said()] for i in range(right)}, [[shown()]] * 10)
    assert report.found == found
    assert report.parts[0].right == right


@pytest.mark.parametrize(("frames", "alarms"), [(ALARM_FRAMES - 1, 0), (ALARM_FRAMES, 1), (ALARM_FRAMES + 9, 1)])
def test_wrong_boxes_in_a_row_are_one_alarm(frames, alarms):
    report = score({i: [said()] for i in range(frames)}, [[]] * 20)
    assert report.false_alarms == alarms
    assert report.boxes.wrong == frames


def test_a_moving_wrong_box_is_one_alarm_and_two_places_are_two():
    moving = {i: [said(box=(i / 100, 0.1, i / 100 + 0.2, 0.3))] for i in range(20)}
    assert score(moving, [[]] * 20).false_alarms == 1
    twice = {i: [said(), said(box=THERE)] for i in range(20)}
    assert score(twice, [[]] * 20).false_alarms == 2


def test_a_good_part_called_defective_is_missed_and_an_alarm():
    report = score({i: [said("nut (defect)")] for i in range(10)}, [[shown("nut")]] * 10)
    assert (report.found, report.missed, report.false_alarms) == (0, 1, 1)
    assert "0 of 1 parts found, 1 missed, 1 false alarms" in str(report)
    assert report.record()["alarms"][0]["label"] == "nut (defect)"


def test_results_are_read_line_by_line(tmp_path):
    box = {"label": "nut", "score": 0.5, "box": list(HERE)}
    lines = [
        {"sequence": 4, "payload": {"boxes": [box]}},
        {"sequence": 4, "payload": {"boxes": [box]}},
        {"sequence": 5, "payload": {"labels": []}},
    ]
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_results(path) == {4: [said(points=0.5)] * 2, 5: []}


corners = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda v: (min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3]))
)
labels = st.sampled_from(["nut", "gear", "nut (defect)"])
truths = st.lists(
    st.lists(
        st.builds(Box, labels, corners, st.integers(0, 9), st.sampled_from([0.5, 1.0])),
        max_size=5,
        unique_by=lambda b: b.part,
    ),
    max_size=5,
)
answers = st.dictionaries(st.integers(0, 4), st.lists(st.builds(Seen, labels, st.floats(0, 1), corners), max_size=6))


@given(truths, answers)
@settings(deadline=None)
def test_every_part_and_every_box_is_counted_once(truth, results):
    report = score(results, truth)
    counted = [box for boxes in truth for box in boxes if box.visible >= FULL_VIEW]
    reported = sum(len(results.get(number, [])) for number in range(len(truth)))
    assert report.boxes.right + report.boxes.missed == len(counted) == sum(part.frames for part in report.parts)
    assert report.boxes.right + report.boxes.wrong <= reported
    assert report.boxes.right == sum(part.right for part in report.parts)
    assert 0 <= report.boxes.precision <= 1
    assert 0 <= report.boxes.recall <= 1
    assert report.found + report.missed == len(report.parts)


@given(truths)
def test_the_truth_itself_scores_full_marks(truth):
    solid = [[box for box in boxes if overlap(box.box, box.box) == 1] for boxes in truth]
    report = score({i: [Seen(box.label, 1.0, box.box) for box in boxes] for i, boxes in enumerate(solid)}, solid)
    assert (report.boxes.wrong, report.boxes.missed, report.missed, report.false_alarms) == (0, 0, 0, 0)


@given(truths, answers, st.randoms())
@settings(deadline=None)
def test_the_order_in_which_boxes_come_does_not_matter(truth, results, random):
    ranked = {i: [Seen(s.label, n / 10, s.box) for n, s in enumerate(seen)] for i, seen in results.items()}
    mixed = {i: random.sample(seen, len(seen)) for i, seen in ranked.items()}
    assert score(mixed, truth).boxes == score(ranked, truth).boxes


@given(corners, corners)
def test_overlap_is_a_share_and_the_same_both_ways(a, b):
    assert 0 <= overlap(a, b) <= 1 + 1e-9
    assert overlap(a, b) == overlap(b, a)
