from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.streams import matches, matches_any, overlap


@pytest.mark.parametrize(
    ("pattern", "stream", "expected"),
    [
        ("cam/*", "cam/front", True),
        ("cam/*", "cam", False),
        ("cam/*", "cam/front/left", False),
        ("cam/**", "cam/front/left", True),
        ("cam/**", "cam", True),
        ("cam/**", "camera", False),
        ("**", "anything/at/all", True),
        ("*", "one", True),
        ("*", "one/two", False),
        ("*/left", "cam/left", True),
        ("c*m/f*", "cam/front", True),
        ("cam/*", "CAM/front", False),
        ("cam/[ab]", "cam/a", False),
        ("a.c", "abc", False),
        ("*", "", True),
        ("**", "", True),
        ("*a*b", "xxaxxbxb", True),
        ("*a*b", "xxbxxa", False),
        ("a", "a\\n", False),
    ],
)
def test_a_star_is_one_part_and_two_are_any_number(pattern: str, stream: str, expected: bool):
    assert matches(pattern, stream) is expected


def test_one_of_several_is_enough():
    assert matches_any(["x", "cam/*"], "cam/a")
    assert not matches_any(["x", "cam"], "cam/a")
    assert not matches_any([], "cam/a")


def test_no_pattern_can_be_driven_into_endless_backtracking():
    started = time.perf_counter()
    assert not matches("*a" * 40 + "*b", "a" * 120)
    assert time.perf_counter() - started < 0.5


PARTS = st.text("ab*", min_size=1, max_size=3).map(lambda text: text.replace("**", "*").replace("**", "*"))
PATTERNS = st.builds(
    lambda parts, tail: "/".join([*parts, *tail]),
    st.lists(PARTS, min_size=1, max_size=2),
    st.sampled_from([(), ("**",)]),
)


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("cam/*", "cam/1", True),
        ("cam/**", "cam", True),
        ("cam/*", "cam/1/x", False),
        ("a*", "*b", True),
        ("a*c", "b*", False),
        ("cam/**", "c*/*/x", True),
        ("**", "**", True),
        ("a/**", "b/**", False),
    ],
)
def test_patterns_overlap_where_a_stream_may_fit_both(one: str, other: str, together: bool):
    assert overlap(one, other) is overlap(other, one) is together


@given(one=PATTERNS, other=PATTERNS, stream=st.text("ab/", min_size=1, max_size=6))
def test_no_overlap_is_missed(one: str, other: str, stream: str):
    if matches(one, stream) and matches(other, stream):
        assert overlap(one, other)


@given(pattern=PATTERNS, stream=st.text("ab/", min_size=1, max_size=6))
def test_a_name_overlaps_what_it_fits(pattern: str, stream: str):
    assert overlap(pattern, stream) is matches(pattern, stream)
