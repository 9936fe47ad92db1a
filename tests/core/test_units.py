"""Quantities people write."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import UsageError, WeftError
from weft.core.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 * 2**20),
        ("64 mib", 64 * 2**20),
        ("1.5GB", 1_500_000_000),
        ("4096", 4096),
        (4096, 4096),
        ("2k", 2048),
    ],
)
def test_a_size_is_read(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("1.5s", 1.5), ("2min", 120), ("3", 3), (0.25, 0.25), ("50 µs", 5e-5), ("1h", 3600)],
)
def test_a_duration_is_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "MiB", "64 parsecs", "-5MiB", "1e9", "NaN", "0x10", "64MiBs"])
def test_anything_else_says_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageError, match="is no size") as size:
        parse_size(text)
    with pytest.raises(UsageError, match="is no duration") as duration:
        parse_duration(text)
    assert "64MiB" in size.value.cure
    assert "200ms" in duration.value.cure


@given(st.text())
def test_no_text_raises_anything_but_our_own_error(text: str) -> None:
    for parse in (parse_size, parse_duration):
        with suppress(WeftError):
            assert parse(text) >= 0


@given(st.integers(0, 2**50))
def test_a_formatted_size_reads_back_near_what_it_was(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.06, abs=1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.000012, "12 µs"), (0.0041, "4.1 ms"), (1.5, "1.5 s"), (125, "2 min 5 s"), (0.2, "200 ms")]
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_number_beyond_all_numbers_is_no_size_and_no_duration() -> None:
    for parse in (parse_size, parse_duration):
        with pytest.raises(UsageError, match="that large"):
            parse("9" * 400)
