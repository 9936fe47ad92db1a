"""Tags of boxes: inside the picture, and apart from each other as far as there is room."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.media.draw import colour_of, draw_results
from weft.media.results import Box, Label, Results
from weft.media.tags import MAX_APART, Area, TagPlaces

WIDTH, HEIGHT, SPAN, ROW = 200, 100, 50, 10


def apart(one: Area, other: Area) -> bool:
    return one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def inside(area: Area) -> bool:
    return area[0] >= 0 and area[1] >= 0 and area[2] < WIDTH and area[3] < HEIGHT


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((40, 40, 160, 90), (40, 30, 90, 40)),  # above, at the left
        ((40, 4, 160, 90), (40, 4, 90, 14)),  # inside, where there is no room above
        ((180, 40, 199, 60), (149, 30, 199, 40)),  # moved in from the right
        ((0, 0, 199, 99), (0, 0, 50, 10)),
        ((-30, -30, -20, -20), (0, 0, 50, 10)),  # a box outside has its tag inside
        ((300, 300, 310, 310), (149, 89, 199, 99)),
    ],
)
def test_a_tag_alone(box: Area, place: Area) -> None:
    assert TagPlaces(WIDTH, HEIGHT).place(box, SPAN, ROW) == place


def test_the_next_one_goes_elsewhere() -> None:
    places = TagPlaces(WIDTH, HEIGHT)
    box = (40, 40, 160, 70)
    given_out = [places.place(box, SPAN, ROW) for _ in range(8)]
    assert given_out[0] == (40, 30, 90, 40)
    assert len(set(given_out[:4])) == 4
    assert all(apart(one, other) for one, other in combinations(given_out[:4], 2))
    assert all(map(inside, given_out))


def test_a_panel_is_kept_free() -> None:
    places = TagPlaces(WIDTH, HEIGHT)
    places.take((0, 0, 80, 30))
    assert apart(places.place((5, 12, 150, 60), SPAN, ROW), (0, 0, 80, 30))


def test_a_tag_larger_than_the_picture_begins_at_its_edge() -> None:
    assert TagPlaces(WIDTH, HEIGHT).place((50, 50, 60, 60), 500, 300) == (0, 0, 500, 300)


@given(st.lists(st.tuples(*[st.integers(-50, 250)] * 4), max_size=MAX_APART + 10))
def test_whatever_the_boxes_every_tag_is_inside(boxes: list[Area]) -> None:
    places = TagPlaces(WIDTH, HEIGHT)
    assert all(inside(places.place(box, SPAN, ROW)) for box in boxes)


def test_the_strongest_keeps_its_place_and_both_can_be_read() -> None:
    corners = (0.3, 0.4, 0.7, 0.8)
    strong, weak = Box("bolt", 0.9, corners), Box("washer", 0.4, corners)
    alone = draw_results(np.zeros((240, 320, 3), np.uint8), Results((strong,)))
    both = draw_results(np.zeros((240, 320, 3), np.uint8), Results((strong, weak)))
    tag = (slice(82, 94), slice(98, 140))
    assert (both[tag] == alone[tag]).all()
    for box in (strong, weak):
        assert (both == colour_of(box.label)).all(axis=2).sum() > 500


def test_the_panel_covers_no_tag() -> None:
    box = Box("gear", 0.9, (0.0, 0.1, 0.9, 0.9))
    without = draw_results(np.zeros((240, 320, 3), np.uint8), Results((box,)))
    with_panel = draw_results(np.zeros((240, 320, 3), np.uint8), Results((box,), (Label("a scene of a factory", 0.9),)))
    counts = [(drawn == colour_of("gear")).all(axis=2).sum() for drawn in (without, with_panel)]
    assert counts[1] > 0.9 * counts[0]
