"""What ``weft top`` works with: finding processes, reading their metrics, and what happened between two readings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import InputError, NotFoundError
from weft.core.paths import state_dir
from weft.flow import metric
from weft.flow.announce import announced, found
from weft.flow.http_get import GetServer, Page
from weft.flow.metric import Sample, exposition
from weft.flow.metrics import Metrics
from weft.flow.metrics_server import MetricsServer, format_address
from weft.flow.stats import Histogram, spread
from weft.flow.top import Reading, fetch, quantile, read, rows

STAGE = ("belt", "detect", "function")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_STATE", str(tmp_path / "state"))


def reading(at: float, *, uptime: float = 10.0, took: Histogram | None = None, **numbers: float) -> Reading:
    """The metrics of one stage; numbers by the names in ``weft.flow.metric``."""
    samples = [Sample(getattr(metric, name), STAGE, value) for name, value in numbers.items()]
    samples += [Sample(metric.UPTIME, ("belt",), uptime), Sample(metric.RUNNING, ("belt",), 1)]
    if took is not None:
        samples.append(Sample(metric.LATENCY, STAGE, spread([took])))
    made = read(exposition(samples).decode())
    made.at = at
    return made


def durations(*seconds: float) -> Histogram:
    histogram = Histogram()
    for one in seconds:
        histogram.record(one)
    return histogram


def test_a_row_is_what_happened_between_two_readings():
    before = reading(1.0, took=durations(*[1.0] * 100), FRAMES_OUT=100)
    counts = {"FRAMES_OUT": 150, "QUEUE": 3, "QUEUE_SIZE": 8, "DROPPED": 4}
    now = reading(3.0, took=durations(*[1.0] * 100, *[0.01] * 50), **counts)
    (row,) = rows(before, now)
    assert (row.pipeline, row.stage, row.kind) == STAGE
    assert (row.per_s, row.frames, row.queue, row.dropped, row.failed) == (25.0, 150, (3, 8), 4, 0)
    assert row.p50 == pytest.approx(0.01, rel=0.3), "of the new frames alone"
    assert row.to_dict()["queue"] == {"depth": 3, "size": 8}


def test_failures_of_every_class_are_added_up():
    samples = [Sample(metric.FAILURES, (*STAGE, kind), 2) for kind in ("GuestTrap", "TimeLimitError")]
    (row,) = rows(None, read(exposition(samples).decode()))
    assert row.failed == 4


def test_a_first_reading_is_of_the_time_since_the_pipeline_began():
    (row,) = rows(None, reading(5.0, uptime=10.0, FRAMES_OUT=200))
    assert (row.per_s, row.queue, row.p50) == (20.0, None, None)


def test_a_pipeline_that_began_anew_counts_from_its_beginning():
    before = reading(1.0, took=durations(0.1, 0.1), FRAMES_OUT=100)
    (row,) = rows(before, reading(2.0, took=durations(0.5), FRAMES_OUT=1))
    assert row.per_s == 0.0
    assert row.p50 == pytest.approx(0.5, rel=0.3)


@given(st.lists(st.floats(1e-4, 11.0), min_size=1, max_size=60), st.sampled_from([0.5, 0.99]))
def test_a_quantile_is_within_its_bucket(seconds: list[float], share: float):
    took = read(exposition([Sample(metric.LATENCY, STAGE, spread([durations(*seconds)]))]).decode())
    value = quantile(took.buckets[STAGE], share)
    assert value is not None
    # The bounds of a bucket are a factor of 1.5 apart at most.
    assert any(one / 1.55 <= value <= one * 1.55 for one in seconds)


def test_a_quantile_of_nothing_is_none():
    assert quantile([], 0.5) is None
    assert quantile([(0.1, 0.0), (float("inf"), 0.0)], 0.5) is None
    assert quantile([(0.1, 0.0), (float("inf"), 3.0)], 0.5) == 0.1, "beyond the last bound nothing more is known"


@given(st.text())
def test_text_that_is_no_metrics_is_told(text: str):
    with suppress(InputError):
        assert not read(text).stages


# --- at an address ---------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer(Metrics(), "127.0.0.1:0")
    yield made
    made.close()


def test_metrics_are_fetched(server: MetricsServer):
    assert fetch(server.address).stages == {}


def test_an_address_where_nobody_answers_is_told(server: MetricsServer):
    server.close()
    with pytest.raises(NotFoundError, match=r"no metrics there: .*Connection refused"):
        fetch(server.address)


@pytest.mark.parametrize("pages", [{}, {"/metrics": lambda: Page(b"<html>{what</html>")}])
def test_an_address_of_something_else_is_told(pages: dict[str, object]):
    other = GetServer("127.0.0.1", 0, pages)  # type: ignore[arg-type]
    try:
        with pytest.raises(InputError, match=r"answers 404|not the text format"):
            fetch(format_address(*other.address))
    finally:
        other.close()


# --- on this machine -------------------------------------------------------------------


def test_a_process_is_found_while_it_serves():
    assert found() == []
    with announced("belt", "127.0.0.1:9464"), announced("other", "0.0.0.0:9465"), announced("six", "[::]:1"):
        told = {process.name: process.metrics for process in found()}
        assert told == {"belt": "127.0.0.1:9464", "other": "127.0.0.1:9465", "six": "[::1]:1"}
        assert found()[0].pid == os.getpid()
    assert found() == []


def test_what_a_killed_process_left_is_ignored_and_removed():
    code = (
        "import os, sys\nfrom weft.flow.announce import announced\n"
        "with announced('gone', '127.0.0.1:1'):\n    print('here', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        assert [one.pid for one in found()] == [process.pid]
        process.kill()
        process.wait()
        assert len(list(state_dir().glob("running/*"))) == 1
        assert found() == []
    assert list(state_dir().glob("running/*")) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\0", '{"pid": "x", "born": "1", "name": "a", "metrics": "b"}', "\ud800"],
)
def test_a_file_that_says_nothing_is_removed(text: str):
    path = state_dir() / "running" / "1-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(text, errors="surrogatepass")
    assert found() == []
    assert not path.exists()


def test_a_process_that_only_has_the_number_of_another_is_not_it():
    path = state_dir() / "running" / f"{os.getpid()}-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": os.getpid(), "born": "1", "name": "a", "metrics": "b:1"}))
    assert found() == []


def test_a_folder_that_cannot_be_written_is_told_and_no_more(caplog: pytest.LogCaptureFixture):
    state_dir().parent.mkdir(exist_ok=True)
    state_dir().write_text("a file")
    with announced("belt", "127.0.0.1:1"):
        assert "weft top will not find this pipeline" in caplog.text
