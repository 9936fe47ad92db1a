"""Traces: what happens to each frame, at a real collector."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.flow.actors import PATIENCE_S, Collect, Endless, Script, function, same, sink, source
from tests.flow.collector import Collector, collecting, values
from weft.core.errors import GuestTrap, UnavailableError, UsageError
from weft.core.frame import Frame
from weft.core.traceparent import SAMPLED, TraceParent, read
from weft.flow import span_sender
from weft.flow.functions import models
from weft.flow.graph import FunctionNode, OnError
from weft.flow.handlers import python
from weft.flow.metrics import Metrics
from weft.flow.pipeline import Pipeline
from weft.flow.spans import Spans
from weft.flow.tracing import TraceOptions, trace_options, tracing


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTLP_ENDPOINT", "OTLP_TRACES_ENDPOINT", "OTLP_PROTOCOL", "OTLP_TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_{name}", raising=False)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def run(spans: Spans, *work: FunctionNode, frames: Script | None = None) -> list[Frame]:
    """A pipeline of one source, the functions one after the other, and a sink."""
    out = Collect()
    pipeline = Pipeline(
        sources=[source("cam", frames or Script(3))],
        functions=work,
        sinks=[sink("out", out, work[-1].name if work else "cam")],
        name="belt",
    )
    pipeline.run(spans=spans)
    return out.frames


class Told(Script):
    """A source whose frames come with a trace from elsewhere."""

    def __init__(self, parent: str) -> None:
        super().__init__(2)
        self._parent = parent

    def frames(self) -> Iterator[Frame]:
        for frame in super().frames():
            frame.headers = {"traceparent": self._parent, "other": "kept"}
            yield frame


def test_a_frame_is_followed_from_source_to_sink(collector: Collector):
    def detect(frame: Frame) -> Frame:
        models().watch.tell("net.onnx", 0.001)  # type: ignore[misc]  # what the models of the process do
        return frame.derive(b"{}", media_type="application/json", stream="")

    with tracing(trace_options(f"otlp={collector.url}", None)) as spans:
        assert spans is not None
        frames = run(spans, function("detect", detect, "cam"))
    assert len(collector.named("source cam")) == len(collector.named("sink out")) == 3
    (first,) = [span for span in collector.named("source cam") if values(span)["weft.sequence"] == 0]
    trace = [span for span in collector.spans if span.trace_id == first.trace_id]
    by_id = {span.span_id: span.name for span in trace}
    assert {span.name: by_id.get(span.parent_span_id) for span in trace} == {
        "source cam": None,
        "wait detect": "source cam",
        "detect": "source cam",
        "model net.onnx": "detect",
        "wait sink out": "detect",
        "sink out": "detect",
    }
    told = values(next(span for span in trace if span.name == "detect"))
    assert told == {
        "weft.pipeline": "belt",
        "weft.kind": "function",
        "weft.stage": "detect",
        "weft.stream": "cam",
        "weft.source": "cam",
        "weft.sequence": 0,
        "weft.emitted": 1,
    }
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in trace)
    assert {resource["service.name"] for resource in collector.resources} == {"weft"}
    left = frames[0].traceparent
    assert left.trace_id.to_bytes(16) == first.trace_id
    assert by_id[left.span_id.to_bytes(8)] == "detect"
    assert left.sampled


def test_the_trace_of_a_frame_is_the_one_it_has_without_tracing(memory: InMemorySpanExporter):
    spans = Spans(memory)
    (frame,) = run(spans, frames=Script(1))
    spans.close()
    marked = frame.traceparent
    frame.headers = {}
    assert frame.traceparent.trace_id == marked.trace_id


@pytest.mark.parametrize(("flags", "recorded"), [(SAMPLED, 2), (0, 0)])
def test_a_trace_from_elsewhere_goes_on_if_it_is_recorded_there(
    memory: InMemorySpanExporter, flags: int, recorded: int
):
    parent = TraceParent(2**100, 7, flags)
    spans = Spans(memory, ratio=1e-12)
    frames = run(spans, function("f", same, "cam"), frames=Told(str(parent)))
    spans.close()
    entered = [span for span in memory.get_finished_spans() if span.name == "source cam"]
    assert len(entered) == recorded
    assert {frame.traceparent.trace_id for frame in frames} == {parent.trace_id}
    assert [frame.headers["other"] for frame in frames] == ["kept"] * 2
    for span in entered:
        assert span.parent is not None
        assert (span.parent.span_id, span.parent.is_remote) == (7, True)


def test_a_share_of_the_frames_is_recorded_and_the_others_are_left_alone(memory: InMemorySpanExporter):
    spans = Spans(memory, ratio=0.2)
    frames = run(spans, function("f", same, "cam"), frames=Script(500))
    spans.close()
    marked = [frame for frame in frames if read(frame.headers)]
    assert 50 < len(marked) < 160
    assert sum(span.name == "f" for span in memory.get_finished_spans()) == len(marked)
    assert all(not frame.headers for frame in frames if frame not in marked)


def test_a_failure_and_each_new_try_are_spans_that_say_so(memory: InMemorySpanExporter):
    def fail(frame: Frame) -> Frame:
        raise GuestTrap("unreachable")

    spans = Spans(memory)
    retry = OnError(retries=1)
    run(spans, FunctionNode(name="f", open=python(fail), inputs=("cam",), on_error=retry), frames=Script(1))
    spans.close()
    tries = [span for span in memory.get_finished_spans() if span.name == "f"]
    assert [span.attributes["error.type"] for span in tries] == ["GuestTrap"] * 2
    assert [span.status.description for span in tries] == ["unreachable"] * 2


def test_a_frame_that_several_take_is_marked_for_each_alone(memory: InMemorySpanExporter):
    raw, worked = Collect(), Collect()
    spans = Spans(memory)
    Pipeline(
        sources=[source("cam", Script(20))],
        functions=[function("f", same, "cam")],
        sinks=[sink("raw", raw, "cam"), sink("worked", worked, "f")],
    ).run(spans=spans)
    spans.close()
    names = {span.context.span_id: span.name for span in memory.get_finished_spans()}
    assert {names[frame.traceparent.span_id] for frame in raw.frames} == {"source cam"}
    assert {names[frame.traceparent.span_id] for frame in worked.frames} == {"f"}


def test_swapped_functions_are_traced_too_and_shells_hide_nothing(memory: InMemorySpanExporter):
    class New:
        digest = "abc"
        started = stopped = False

        def handle(self, frame: Frame) -> Sequence[Frame]:
            return (frame.derive(b"new", media_type="text/plain", stream=""),)

        def start(self) -> None:
            self.started = True

        def close(self) -> None:
            pass

    new, out, spans = New(), Collect(), Spans(memory)
    pipeline = Pipeline(
        sources=[source("cam", Endless())], functions=[function("f", same, "cam")], sinks=[sink("out", out, "f")]
    )
    with pipeline.start(spans=spans) as running:
        assert running.swap("f", lambda: new).wait(PATIENCE_S)
        running.stop()
        assert running.wait(PATIENCE_S)
        assert running.snapshot().stage("f").digest == "abc"
    spans.close()
    assert new.started
    assert any(read(frame.headers) for frame in out.frames if frame.payload == b"new")


def test_a_source_says_how_it_is_through_its_shell(memory: InMemorySpanExporter):
    class Watched(Endless):
        state, trouble = "stalled", "nothing came for 5 s"

    spans = Spans(memory)
    with Pipeline(sources=[source("cam", Watched())]).start(spans=spans) as running:
        assert running.wait_ready(PATIENCE_S)
        told = running.snapshot().stage("cam")
    spans.close()
    assert (told.state, told.trouble) == ("stalled", "nothing came for 5 s")


def test_nothing_is_wrapped_without_tracing():
    made: list[object] = []

    def work(frame: Frame) -> Frame:
        return frame

    def open_handler() -> object:
        made.append(python(work)())
        return made[-1]

    node = FunctionNode(name="f", open=open_handler, inputs=("cam",))  # type: ignore[arg-type]
    run_ = Pipeline(sources=[source("cam", Endless())], functions=[node]).start()
    with run_:
        assert run_.wait_ready(PATIENCE_S)
        (thread,) = run_.stages[1].threads
        assert thread._seat.handler is made[0]  # type: ignore[attr-defined]


# --- sending ---------------------------------------------------------------------------


class Slow(SpanExporter):
    """A collector that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.busy.set()
        assert self.open.wait(PATIENCE_S)
        self.taken += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.open.set()


class Broken(SpanExporter):
    """A collector whose client fails."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        raise RuntimeError("no such collector")


def test_a_slow_collector_delays_no_frame_and_what_is_too_much_is_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(span_sender, "QUEUE", 40)
    monkeypatch.setattr(span_sender, "BATCH", 10)
    slow = Slow()
    spans = Spans(slow, where="http://collector")
    assert len(run(spans, function("f", same, "cam"), frames=Script(300))) == 300
    slow.open.set()
    spans.close()
    told = {sample.labels[0]: sample.value for sample in spans.samples()}
    assert told["dropped"] > 100
    assert told["sent"] == slow.taken > 0
    assert "spans did not reach http://collector" in caplog.text


def test_a_collector_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(span_sender, "CLOSING_S", 0.05)
    slow = Slow()
    spans = Spans(slow)
    run(spans)
    spans.close()
    spans.close()
    assert slow.open.is_set(), "its shutdown was asked for"


def test_a_collector_that_is_not_there_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(span_sender, "BATCH", 2)
    spans = Spans(Broken(), where="http://nowhere")
    run(spans, frames=Script(50))
    spans.close()
    assert caplog.text.count("cannot be sent to http://nowhere") == 1
    assert "RuntimeError: no such collector" in caplog.text
    assert {sample.labels[0]: sample.value for sample in spans.samples()}["refused"] >= 100


def test_what_became_of_the_spans_is_a_metric(memory: InMemorySpanExporter):
    metrics, spans = Metrics(), Spans(memory)
    metrics.add(spans.samples)
    run(spans)
    spans.close()
    assert b'weft_trace_spans_total{outcome="sent"} 9.0' in metrics.text()


# --- what was asked for ----------------------------------------------------------------


def test_nothing_is_recorded_unasked():
    assert trace_options(None, None) is None
    with tracing(None) as spans:
        assert spans is None


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("otlp", ""),
        ("otlp=http://c:4318", "http://c:4318/v1/traces"),
        ("otlp=https://c/otel/", "https://c/otel/v1/traces"),
        ("otlp=http://c:4318/v1/traces", "http://c:4318/v1/traces"),
    ],
)
def test_where_spans_go(text: str, endpoint: str):
    assert trace_options(text, 0.5) == TraceOptions(endpoint, 0.5)


@pytest.mark.parametrize(
    ("text", "ratio", "words"),
    [
        ("jaeger", None, "--trace jaeger"),
        ("otlp=c:4318", None, "no address of a collector"),
        ("otlp=http://[x", None, "no address of a collector"),
        ("otlp=http://me:secret@c", None, "no passwords on the command line"),
        ("otlp", 0.0, "--trace-ratio 0"),
        ("otlp", 1.5, "--trace-ratio 1.5"),
        ("otlp", float("nan"), "--trace-ratio nan"),
        (None, 0.5, "nothing is traced"),
    ],
)
def test_what_cannot_be_meant_is_told(text: str | None, ratio: float | None, words: str):
    with pytest.raises(UsageError, match=words) as caught:
        trace_options(text, ratio)
    assert "secret" not in str(caught.value)


def test_the_environment_may_ask(collector: Collector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "line-4")
    with tracing(trace_options(None, None)) as spans:
        assert spans is not None
        run(spans)
    assert len(collector.named("source cam")) == 3
    assert {resource["service.name"] for resource in collector.resources} == {"line-4"}
    sent = {name.lower(): value for name, value in collector.headers[0].items()}
    assert sent["authorization"] == "Bearer x"


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_EXPORTER", "zipkin")],
)
def test_the_environment_may_say_no(name: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")
    monkeypatch.setenv(name, value)
    assert trace_options(None, None) is None


def test_messages_name_the_collector_without_its_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:secret@c:1/?key=secret")
    assert TraceOptions().where == "https://c:1"


def test_another_protocol_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(UsageError, match="grpc, and Weft sends over HTTP"), tracing(trace_options("otlp", None)):
        pass
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")
    with tracing(trace_options(None, None)) as spans:
        assert spans is None
    assert "the environment asks for traces, and none are recorded" in caplog.text


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UnavailableError) as caught, tracing(trace_options("otlp", None)):
        pass
    assert caught.value.cure == "pip install 'weft[otel]'"
