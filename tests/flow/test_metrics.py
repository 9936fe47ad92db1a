"""Metrics: declared once, read from a pipeline while it runs, in a format Prometheus reads."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.flow.actors import PATIENCE_S, Collect, Endless, Script, function, sink, source
from weft.core.errors import GuestTrap, UsageError
from weft.core.frame import Frame
from weft.flow import metric
from weft.flow.functions import models
from weft.flow.graph import FunctionNode, SourceNode
from weft.flow.metric import METRICS, Sample, exposition
from weft.flow.metrics import Metrics
from weft.flow.metrics_server import MetricsServer, parse_address
from weft.flow.pipeline import Pipeline
from weft.flow.stats import BOUNDS, Histogram, spread

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def values(text: bytes) -> Values:
    """Every sample by its name and labels; no two are alike."""
    found: Values = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def of(found: Values, name: str, **labels: str) -> float:
    """The one sample with these labels, among others."""
    hits = [value for (known, has), value in found.items() if known == name and labels.items() <= dict(has).items()]
    assert len(hits) == 1, (name, labels, hits)
    return hits[0]


def get(server: MetricsServer, path: str = "/metrics") -> bytes:
    with urlopen(f"http://{server.address}{path}", timeout=PATIENCE_S) as response:
        return response.read()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def server(metrics: Metrics) -> Iterator[MetricsServer]:
    made = MetricsServer(metrics, "127.0.0.1:0")
    yield made
    made.close()


@dataclass
class Puts:
    """What a handler counts."""

    state_puts: int = 0


class Counting:
    """A handler that counts, and emits what it got."""

    def __init__(self) -> None:
        self.counters = Puts()
        self.replaced = 0

    def handle(self, frame: Frame) -> list[Frame]:
        self.counters.state_puts += 1
        self.replaced += frame.sequence == 1
        return [frame.derive(b"twelve bytes", media_type="text/plain", stream="")]

    def close(self) -> None:
        pass


def test_a_pipeline_is_told_of_while_it_runs(metrics: Metrics, server: MetricsServer):
    out, camera = Collect(), Endless()

    def fail_on_odd(frame: Frame) -> Frame:
        if frame.sequence % 2:
            raise GuestTrap("odd")
        return frame

    pipeline = Pipeline(
        sources=[source("cam", camera)],
        functions=[
            FunctionNode(name="count", open=Counting, inputs=("cam",), replicas=2),
            function("odd", fail_on_odd, "count", queue_size=5),
        ],
        sinks=[sink("out", out, "odd")],
        name="belt",
    )
    with pipeline.start(metrics=metrics):
        assert out.some.wait(PATIENCE_S)
        first = values(get(server))
        while of(second := values(get(server)), "weft_stage_failures_total", error="GuestTrap") < 1:
            pass
        assert json.loads(get(server, "/healthz")) == {"status": "ok", "pipelines": {"belt": "running"}}
    belt = {"pipeline": "belt"}
    assert of(second, "weft_pipeline_running", **belt) == 1
    assert of(second, "weft_stage_queue_size_frames", stage="odd", **belt) == 5
    assert of(second, "weft_stage_replicas", stage="count", **belt) == 2
    assert of(second, "weft_stage_frames_out_total", stage="cam", kind="source") > 0
    assert of(second, "weft_stage_bytes_out_total", stage="count") >= 12
    assert of(second, "weft_stage_events_total", stage="count", event="state_puts") > 0
    assert of(second, "weft_stage_handlers_replaced_total", stage="count") == 1
    assert of(second, "weft_stage_duration_seconds_count", stage="odd") > 0
    assert of(second, "weft_stage_end_to_end_seconds_count", stage="out") > 0
    rising = [key for key in first if re.search("_(total|count|bucket)$", key[0])]
    assert [key for key in rising if second[key] < first[key]] == [], "counters only rise"


def test_the_end_of_a_pipeline_is_told_and_an_error_is_no_health(metrics: Metrics, server: MetricsServer):
    def broken() -> Script:
        raise OSError("no camera")

    Pipeline(sources=[SourceNode(name="in", open=broken)], name="bad").run(metrics=metrics, check=False)
    Pipeline(sources=[source("in", Script(3))], sinks=[sink("out", Collect(), "in")], name="good").run(metrics=metrics)
    found = values(get(server))
    assert of(found, "weft_pipeline_running", pipeline="good") == 0
    assert of(found, "weft_stage_frames_out_total", pipeline="good", stage="out") == 3
    with pytest.raises(HTTPError, match="503") as caught:
        get(server, "/healthz")
    assert json.loads(caught.value.read())["pipelines"] == {"bad": "error", "good": "end"}
    caught.value.close()


def test_two_pipelines_of_one_name_stay_apart(metrics: Metrics):
    camera = Endless()
    belt = Pipeline(sources=[source("in", camera)], name="belt")
    with belt.start(metrics=metrics), Pipeline(sources=[source("in", Endless())], name="belt").start(metrics=metrics):
        assert metrics.health() == {"belt": "running", "belt#2": "running"}
    Pipeline(sources=[source("in", Script(1))], name="belt").run(metrics=metrics)
    assert set(metrics.health()) == {"belt", "belt#2"}, "the place of one that has ended is taken"


def test_counters_do_not_fall_while_a_handler_is_put_away(metrics: Metrics):
    """A thread looks all the time while handlers are swapped, which hands their counters over."""
    camera = Endless()
    pipeline = Pipeline(
        sources=[source("cam", camera)], functions=[FunctionNode(name="count", open=Counting, inputs=("cam",))]
    )
    seen: list[float] = []
    over = threading.Event()
    run = pipeline.start()

    def look() -> None:
        while not over.is_set():
            seen.append(run.snapshot().stage("count").counters.get("state_puts", 0))

    with run:
        looker = threading.Thread(target=look, daemon=True)
        looker.start()
        for _ in range(10):
            assert run.swap("count", Counting).wait(PATIENCE_S)
        while not (seen and seen[-1] > 0):
            assert not run.wait(0.001)
        over.set()
        looker.join()
    assert seen == sorted(seen)


def test_models_are_told_of_by_name(metrics: Metrics, monkeypatch: pytest.MonkeyPatch):
    from weft.nn.usage import Usage, Watch

    class Info:
        name, engine, device = "net.onnx", "onnxruntime", "cpu"

    class Model:
        def __init__(self) -> None:
            self.info, self.usage = Info(), Usage("net.onnx", Watch())

    two = [Model(), Model()]
    for model in two:
        model.usage.add(0.25)
    monkeypatch.setattr(models(), "loaded", lambda: two)
    found = values(metrics.text())
    labels = {"model": "net.onnx", "engine": "onnxruntime", "device": "cpu"}
    assert of(found, "weft_model_inferences_total", **labels) == 2
    assert of(found, "weft_model_inference_seconds_total", **labels) == 0.5


def test_every_metric_says_what_it_is_in_the_way_prometheus_wants():
    assert len({one.name for one in METRICS}) == len(METRICS) > 20
    for one in METRICS:
        assert re.fullmatch(r"weft_[a-z_]+", one.name)
        assert one.help.endswith(".")
        assert (one.type == "counter") == one.name.endswith("_total")
        assert one.type != "histogram" or one.name.endswith("_seconds")


@given(st.lists(st.text(st.characters()), min_size=1, max_size=4, unique=True))
def test_any_text_may_be_a_label(names: list[str]):
    text = exposition(Sample(metric.UPTIME, (name,), number) for number, name in enumerate(names))
    found = [
        sample.labels["pipeline"]
        for family in text_string_to_metric_families(text.decode())
        if family.name == metric.UPTIME.name
        for sample in family.samples
    ]
    assert found == [name.encode(errors="replace").decode() for name in names]


@given(st.lists(st.floats(0, 100), max_size=50))
def test_a_spread_counts_what_is_below_each_bound(durations: list[float]):
    histogram = Histogram()
    for seconds in durations:
        histogram.record(seconds)
    found = spread([histogram, Histogram()])
    assert found.count == len(durations)
    assert found.below == tuple(sum(seconds < bound for seconds in durations) for bound in BOUNDS)
    assert found.total_s == pytest.approx(sum(durations), rel=0.02, abs=1e-4)


def test_a_spread_of_nothing_is_empty():
    found = spread([])
    assert (found.count, found.total_s, set(found.below)) == (0, 0.0, {0})


def test_a_failing_collector_fails_the_page_alone(metrics: Metrics, server: MetricsServer):
    def broken() -> Iterator[Sample]:
        raise RuntimeError("no")

    metrics.add(broken)
    with pytest.raises(HTTPError, match="500") as caught:
        get(server)
    caught.value.close()
    assert json.loads(get(server, "/healthz"))["status"] == "ok"


@pytest.mark.parametrize(
    ("text", "wanted"), [("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:0", ("::1", 0)), ("edge:1", ("edge", 1))]
)
def test_addresses(text: str, wanted: tuple[str, int]):
    assert parse_address(text) == wanted


@pytest.mark.parametrize("text", ["", "9464", ":9464", "host", "host:", "host:x", "host:65536", "::1:9464", "host:-1"])
def test_what_is_no_address_is_told(text: str):
    with pytest.raises(UsageError, match="is no address"):
        parse_address(text)
