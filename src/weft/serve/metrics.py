"""What a server measures: in the words of Triton, which its dashboards expect, and in ours."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from weft.flow.metric import Metric, Sample
from weft.flow.stats import BOUNDS, Histogram, Spread, spread
from weft.serve.call import Call
from weft.serve.models.counts import Counts
from weft.serve.models.version import Version
from weft.serve.services import Services

_MODEL = ("model", "version")
_ROUTE = ("protocol", "route")


def _triton(name: str, told: str) -> Metric:
    return Metric(f"nv_inference_{name}", "counter", told, _MODEL)


SUCCESS = _triton("request_success", "Requests that were answered.")
FAILURE = Metric("nv_inference_request_failure", "counter", "Requests that were not, by reason.", (*_MODEL, "reason"))
COUNT = _triton("count", "Inferences: a batch of 8 is 8.")
EXECUTIONS = _triton("exec_count", "Calls of the engine: a batch is 1.")
DURATION = _triton("request_duration_us", "Microseconds from arrival to answer, added up.")
QUEUE = _triton("queue_duration_us", "Microseconds requests waited, added up.")
INPUT = _triton("compute_input_duration_us", "Microseconds of joining requests to batches, added up.")
INFER = _triton("compute_infer_duration_us", "Microseconds in the engine, added up.")
OUTPUT = _triton("compute_output_duration_us", "Microseconds of taking batches apart, added up.")
PENDING = Metric("nv_inference_pending_request_count", "gauge", "Requests that wait.", _MODEL)

REQUESTS = Metric("weft_serve_requests_total", "counter", "Requests that ended, by status.", (*_ROUTE, "status"))
LATENCY = Metric("weft_serve_request_duration_seconds", "histogram", "From the headers to the answer's end.", _ROUTE)
TAKEN = Metric("weft_serve_bytes_received_total", "counter", "Bytes of requests' bodies.", _ROUTE)
GIVEN = Metric("weft_serve_bytes_sent_total", "counter", "Bytes of answers' bodies.", _ROUTE)
REFUSED = Metric("weft_serve_refused_total", "counter", "Requests that were refused or broken off.", ("reason",))
READY = Metric("weft_serve_ready", "gauge", "1 while the server is ready.")
BODIES = Metric("weft_serve_bodies_bytes", "gauge", "Bytes of bodies that are in memory.")
MODEL_READY = Metric("weft_serve_model_ready", "gauge", "1 while the model takes requests.", _MODEL)
RUNNING = Metric("weft_serve_model_running_requests", "gauge", "Requests that are being computed.", _MODEL)
MODEL_BYTES = Metric("weft_serve_model_bytes", "gauge", "Bytes of its files while it is loaded.", _MODEL)
EVICTIONS = Metric("weft_serve_model_evictions_total", "counter", "How often it was put aside for others.", _MODEL)
MEMORY = Metric("weft_serve_models_bytes", "gauge", "Bytes of all models that are loaded, by their files.")
MEMORY_LIMIT = Metric("weft_serve_models_limit_bytes", "gauge", "The budget they are kept within, where there is one.")
CALLERS = Metric("weft_serve_callers", "gauge", "Callers that are remembered.")
KEY_FETCHES = Metric("weft_serve_jwks_fetches_total", "counter", "How often issuers' keys were fetched.", ("outcome",))

ACCESS_RELOADS = Metric(
    "weft_serve_access_reloads_total", "counter", "How often the access document was read again.", ("outcome",)
)

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order in which they are declared."""


@dataclass(slots=True)
class _Route:
    statuses: Counter[int] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)
    taken: int = 0
    given: int = 0


class RequestCounts:
    """Counts requests by route and status: an observer of :class:`Services`. For the event loop's thread."""

    def __init__(self) -> None:
        self._routes: defaultdict[tuple[str, str], _Route] = defaultdict(_Route)

    def take(self, call: Call) -> None:
        """Count a request that has ended."""
        protocol = "grpc" if call.scope.get("http_version") == "2" else "http"
        route = self._routes[protocol, call.route or "other"]
        route.statuses[call.status] += 1
        route.latency.record(call.ended - call.began)
        route.taken += call.taken
        route.given += call.given

    def samples(self) -> Iterator[Sample]:
        """As they are now."""
        for labels, route in sorted(self._routes.items()):
            yield from (Sample(REQUESTS, (*labels, str(code)), count) for code, count in sorted(route.statuses.items()))
            yield Sample(LATENCY, labels, spread([route.latency]))
            yield Sample(TAKEN, labels, route.taken)
            yield Sample(GIVEN, labels, route.given)


def samples_of(services: Services) -> Iterator[Sample]:
    """What is to be told of the models, of what was refused, and of callers."""
    yield Sample(READY, (), services.ready)
    yield Sample(BODIES, (), services.room.used)
    for version in services.models.versions():
        yield from _of_model(version)
    memory = services.models.memory
    yield Sample(MEMORY, (), sum(one.size for one in services.models.versions() if one.lane is not None))
    if memory.limit is not None:
        yield Sample(MEMORY_LIMIT, (), memory.limit)
    refused = services.counts + Counter(getattr(services.access, "counts", None) or {})
    yield from (Sample(REFUSED, (reason,), count) for reason, count in sorted(refused.items()))
    yield from _of_access(services)


def _of_access(services: Services) -> Iterator[Sample]:
    from weft.serve.access.documented import DocumentAccess

    if isinstance(services.access, DocumentAccess):
        for outcome in ("loaded", "refused"):
            yield Sample(ACCESS_RELOADS, (outcome,), services.access.reloads[outcome])
        yield Sample(CALLERS, (), services.access.callers)
        fetches, failures = services.access.fetches
        yield Sample(KEY_FETCHES, ("fetched",), fetches - failures)
        yield Sample(KEY_FETCHES, ("failed",), failures)


def _of_model(version: Version) -> Iterator[Sample]:
    labels, counts, lane = (version.name, version.number), version.counter.read(), version.lane
    for metric, value in _numbers(counts):
        yield Sample(metric, labels, value)
    failures = {"OTHER": counts.fail.count, "REJECTED": counts.refused + counts.overdue, "CANCELED": counts.gone}
    yield from (Sample(FAILURE, (*labels, reason), count) for reason, count in failures.items())
    yield Sample(PENDING, labels, lane.waiting if lane else 0)
    yield Sample(RUNNING, labels, lane.running if lane else 0)
    yield Sample(MODEL_READY, labels, version.ready)
    yield Sample(MODEL_BYTES, labels, version.size if lane else 0)
    yield Sample(EVICTIONS, labels, counts.evictions)


def _numbers(counts: Counts) -> Iterator[tuple[Metric, int]]:
    yield SUCCESS, counts.success.count
    yield COUNT, counts.inferences
    yield EXECUTIONS, counts.executions
    for metric, part in (
        (DURATION, counts.success),
        (QUEUE, counts.queue),
        (INPUT, counts.compute_input),
        (INFER, counts.compute_infer),
        (OUTPUT, counts.compute_output),
    ):
        yield metric, part.ns // 1000


def text(samples: Iterable[Sample]) -> bytes:
    """Samples in the text format of Prometheus. Names stand as they are: Triton's counters do not end in ``_total``."""
    by_metric: dict[Metric, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric, []).append(sample)
    lines: list[str] = []
    for metric, found in by_metric.items():
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type}"]
        for sample in found:
            lines += _lines(sample)
    return "".join(f"{line}\n" for line in lines).encode(errors="replace")


def _lines(sample: Sample) -> Iterator[str]:
    name, pairs = sample.metric.name, list(zip(sample.metric.labels, sample.labels, strict=True))
    value = sample.value
    if not isinstance(value, Spread):
        yield f"{name}{_labels(pairs)} {int(value) if float(value).is_integer() else float(value)}"
        return
    for bound, below in zip([*map(repr, BOUNDS), "+Inf"], [*value.below, value.count], strict=True):
        yield f"{name}_bucket{_labels([*pairs, ('le', bound)])} {below}"
    yield f"{name}_sum{_labels(pairs)} {value.total_s!r}"
    yield f"{name}_count{_labels(pairs)} {value.count}"


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    written = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{written}}}" if written else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
