"""Latency histograms, and the summary people and programs read."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import GuestTrap, MediaError, OutputError
from weft.flow.stats import Histogram, Meter, Quantiles
from weft.flow.summary import Summary


def quantiles(*samples: float) -> Quantiles:
    histogram = Histogram()
    for sample in samples:
        histogram.record(sample)
    return Histogram.merged([histogram])


@given(st.lists(st.floats(1e-6, 3600.0), min_size=1, max_size=200))
def test_quantiles_are_within_three_per_cent(samples: list[float]) -> None:
    found = quantiles(*samples)
    ordered = sorted(samples)
    for share, value in ((0.50, found.p50), (0.95, found.p95), (0.99, found.p99)):
        true = ordered[math.ceil(share * len(ordered)) - 1]
        assert value == pytest.approx(true, rel=0.03)
    assert found.max == ordered[-1]
    assert found.count == len(samples)


@pytest.mark.parametrize("outside", [0.0, 1e-12, -1.0, 1e9])
def test_what_is_outside_the_range_is_counted_at_its_end(outside: float) -> None:
    assert quantiles(outside).count == 1


def test_nothing_measured_gives_zeros() -> None:
    assert Histogram.merged([]) == Quantiles()
    assert quantiles() == Quantiles()


def test_histograms_merge() -> None:
    low, high = Histogram(), Histogram()
    for _ in range(60):
        low.record(0.001)
    for _ in range(40):
        high.record(0.1)
    merged = Histogram.merged([low, high])
    assert merged.count == 100
    assert merged.p50 == pytest.approx(0.001, rel=0.03)
    assert merged.p95 == pytest.approx(0.1, rel=0.03)


def test_a_meter_counts_errors_by_class_and_keeps_the_first() -> None:
    meter = Meter()
    assert meter.fail(GuestTrap("unreachable"))
    assert not meter.fail(GuestTrap("out of bounds"))
    assert meter.fail(MediaError("no picture"))
    assert meter.failed == 3
    count, first = meter.errors["GuestTrap"]
    assert (count, first["what"]) == (2, "unreachable")


def test_a_summary_becomes_a_file(tmp_path: Path) -> None:
    summary = Summary(ended="error", seconds=1.5, stages=(), error=OutputError("disk full", where="out.mp4"), name="p")
    path = tmp_path / "summary.json"
    summary.save(path)
    written = json.loads(path.read_text())
    assert written["pipeline"] == "p"
    assert written["ended"] == "error"
    assert written["error"]["what"] == "disk full"


def test_a_summary_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/summary\.json"):
        Summary(ended="end", seconds=0.0, stages=()).save(tmp_path / "nowhere" / "summary.json")
