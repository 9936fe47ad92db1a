"""What Weft measures, under the names Prometheus knows it by. What is not declared here is not served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family

from weft.flow.stats import BOUNDS, Spread

Type = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: with its unit, and ``_total`` for a counter.
        type: how its values go.
        help: what it says.
        labels: what tells its samples apart; each has few values, all known to whoever wrote the pipeline.
    """

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric's value at one moment, with the values of its labels in their order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Spread


_PIPELINE = ("pipeline",)
_STAGE = ("pipeline", "stage", "kind")
_MODEL = ("model", "engine", "device")

BUILD = Metric("weft_build_info", "gauge", "1; the version of Weft is a label.", ("version",))
RUNNING = Metric("weft_pipeline_running", "gauge", "1 while the pipeline runs, 0 once it has ended.", _PIPELINE)
UPTIME = Metric("weft_pipeline_uptime_seconds", "gauge", "Seconds since the pipeline began.", _PIPELINE)
FRAMES_IN = Metric(
    "weft_stage_frames_in_total",
    "counter",
    "Frames that reached the stage's queue, dropped ones included; those a source read.",
    _STAGE,
)
FRAMES_OUT = Metric("weft_stage_frames_out_total", "counter", "Frames the stage passed on; those a sink wrote.", _STAGE)
BYTES_OUT = Metric(
    "weft_stage_bytes_out_total",
    "counter",
    "Bytes of the payloads it passed on; a picture that nobody has encoded yet counts as 0.",
    _STAGE,
)
DROPPED = Metric(
    "weft_stage_frames_dropped_total", "counter", "Frames of live sources its queue's overflow policy gave up.", _STAGE
)
ABANDONED = Metric(
    "weft_stage_frames_abandoned_total", "counter", "Frames in its queue when the pipeline was aborted.", _STAGE
)
FAILURES = Metric(
    "weft_stage_failures_total", "counter", "Frames it failed on for good, by class of error.", (*_STAGE, "error")
)
RETRIES = Metric("weft_stage_retries_total", "counter", "Attempts after the first.", _STAGE)
REPLACED = Metric(
    "weft_stage_handlers_replaced_total", "counter", "Instances of a function thrown away after a failure.", _STAGE
)
SWAPS = Metric("weft_stage_swaps_total", "counter", "New versions of a function that took over.", _STAGE)
REPLICAS = Metric("weft_stage_replicas", "gauge", "Threads of the stage.", _STAGE)
BUSY = Metric("weft_stage_busy_seconds_total", "counter", "Seconds its threads worked, added up.", _STAGE)
QUEUE = Metric("weft_stage_queue_frames", "gauge", "Frames that wait in its queue.", _STAGE)
QUEUE_PEAK = Metric("weft_stage_queue_peak_frames", "gauge", "The most frames that ever waited there.", _STAGE)
QUEUE_SIZE = Metric("weft_stage_queue_size_frames", "gauge", "The most frames that may wait there.", _STAGE)
LATENCY = Metric(
    "weft_stage_duration_seconds",
    "histogram",
    "Work on one frame; for a source, reading one. Waiting left out.",
    _STAGE,
)
END_TO_END = Metric(
    "weft_stage_end_to_end_seconds",
    "histogram",
    "From source to sink: since a live frame was taken, since a file's frame was read. Sinks only.",
    _STAGE,
)
LIVE = Metric(
    "weft_source_live",
    "gauge",
    "1 while a source that may die, such as a camera, gives frames; 0 while it is connecting, stalled or backing off.",
    _STAGE,
)
EVENTS = Metric(
    "weft_stage_events_total",
    "counter",
    "What a source, function or sink counts itself, such as state_puts, damaged or orphans.",
    (*_STAGE, "event"),
)
INFERENCES = Metric("weft_model_inferences_total", "counter", "Inferences of a model in this process.", _MODEL)
INFERENCE_TIME = Metric("weft_model_inference_seconds_total", "counter", "Seconds those took, added up.", _MODEL)
SPANS = Metric(
    "weft_trace_spans_total", "counter", "Spans that were sent, dropped (the queue was full) or refused.", ("outcome",)
)
ROUTER_LINKS = Metric(
    "weft_router_links", "gauge", "Links that are there now, by the name of the certificate.", ("certificate",)
)
ROUTER_CONNECTIONS = Metric(
    "weft_router_connections_total",
    "counter",
    "How often a device of this name has connected; each time after the first it came back.",
    ("certificate",),
)
ROUTER_REJECTED = Metric(
    "weft_router_rejected_total",
    "counter",
    "Devices that were turned away: of another authority, expired, without a certificate.",
)
ROUTER_REFUSED = Metric(
    "weft_router_refused_total",
    "counter",
    "How often a device was told that its rules do not allow something, by its name and the right.",
    ("certificate", "right"),
)
ROUTER_RENEWALS = Metric(
    "weft_router_renewals_total", "counter", "How often all links were made anew, because a new name came."
)
REQUESTS = Metric(
    "weft_metrics_requests_total", "counter", "Requests to this address, by status; 0 was never answered.", ("status",)
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order in which they are declared."""


def exposition(samples: Iterable[Sample]) -> bytes:
    """Samples in the text format of Prometheus, in the order of ``METRICS``; then ``process_…``, of this process."""
    by_metric: dict[Metric, list[Sample]] = {metric: [] for metric in METRICS}
    for sample in samples:
        by_metric[sample.metric].append(sample)
    return generate_latest(_Families(by_metric)) + generate_latest(ProcessCollector(registry=None))


class _Families:
    """Samples as prometheus-client wants them."""

    def __init__(self, by_metric: Mapping[Metric, Sequence[Sample]]) -> None:
        self._by_metric = by_metric

    def collect(self) -> Iterator[Family]:
        """One family for every metric that has samples."""
        for metric, samples in self._by_metric.items():
            if samples:
                yield _family(metric, samples)


def _family(metric: Metric, samples: Sequence[Sample]) -> Family:
    if metric.type == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for sample in samples:
            assert isinstance(sample.value, Spread)
            histogram.add_metric(_texts(sample), _buckets(sample.value), sample.value.total_s)
        return histogram
    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        assert not isinstance(sample.value, Spread)
        family.add_metric(_texts(sample), sample.value)
    return family


def _texts(sample: Sample) -> list[str]:
    return [label.encode(errors="replace").decode() for label in sample.labels]


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    named = zip(map(repr, BOUNDS), spread.below, strict=True)
    return [*named, ("+Inf", spread.count)]
