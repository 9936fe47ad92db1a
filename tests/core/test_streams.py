from __future__ import annotations

import time

import pytest

from weft.core.streams import matches, matches_any


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
