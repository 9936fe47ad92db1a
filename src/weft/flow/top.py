"""How fast a pipeline runs now, from two looks at its metrics: for ``weft top``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException

from prometheus_client.parser import text_string_to_metric_families

from weft.core.clock import monotonic
from weft.core.errors import InputError, NotFoundError
from weft.flow import metric
from weft.flow.metrics_server import parse_address

TIMEOUT_S = 3.0
MAX_TEXT = 16 * 2**20
"""Bytes of metrics that are read."""

Key = tuple[str, str, str]
"""Pipeline, stage, kind."""


@dataclass(slots=True)
class Reading:
    """The metrics of one process at one moment.

    Attributes:
        at: seconds of the monotonic clock.
        stages: per stage, each number by the name of its metric; failures added up.
        buckets: per stage, how many frames took no longer than so many seconds, in the order of those.
        uptime: per pipeline, seconds.
        running: per pipeline, whether it still runs.
    """

    at: float
    stages: dict[Key, dict[str, float]] = field(default_factory=dict)
    buckets: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    uptime: dict[str, float] = field(default_factory=dict)
    running: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A stage between two readings.

    Attributes:
        per_s: frames it passed on per second.
        queue: frames that wait, and how many may; None for a stage without a queue.
        p50: seconds of work on the middle frame, about; None where none was worked on.
        p99: of the one that is slower than 99 of 100.
        dropped: since the pipeline began, as is failed.
    """

    pipeline: str
    stage: str
    kind: str
    per_s: float
    frames: int
    queue: tuple[int, int] | None
    p50: float | None
    p99: float | None
    dropped: int
    failed: int

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: durations in milliseconds where the key says ``_ms``."""
        return {
            "pipeline": self.pipeline,
            "stage": self.stage,
            "kind": self.kind,
            "frames_per_s": round(self.per_s, 3),
            "frames": self.frames,
            "queue": None if self.queue is None else {"depth": self.queue[0], "size": self.queue[1]},
            "p50_ms": _milliseconds(self.p50),
            "p99_ms": _milliseconds(self.p99),
            "dropped": self.dropped,
            "failed": self.failed,
        }


def fetch(address: str) -> Reading:
    """Read the metrics at ``host:port``. Raises UsageError, NotFoundError when nobody answers, InputError."""
    host, port = parse_address(address)
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        body = response.read(MAX_TEXT)
    except (OSError, HTTPException) as error:
        cure = "does it still run, and with --metrics at this address?"
        raise NotFoundError(f"no metrics there: {error or type(error).__name__}", where=address, cure=cure) from error
    finally:
        connection.close()
    if response.status != 200:
        cure = "give the address of `weft run --metrics`"
        raise InputError(f"it answers {response.status} {response.reason}", where=address, cure=cure)
    return read(body.decode(errors="replace"), where=address)


def read(text: str, *, where: str = "") -> Reading:
    """What metrics in the text format say. Raises InputError for text that is none."""
    reading = Reading(monotonic())
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                _note(reading, sample.name, sample.labels, sample.value)
    except (ValueError, KeyError, IndexError) as error:
        cure = "give the address of `weft run --metrics`"
        raise InputError("that is not the text format of Prometheus", where=where, cure=cure) from error
    return reading


def _note(reading: Reading, name: str, labels: Mapping[str, str], value: float) -> None:
    pipeline = labels.get("pipeline", "")
    if name == metric.UPTIME.name:
        reading.uptime[pipeline] = value
    elif name == metric.RUNNING.name:
        reading.running[pipeline] = bool(value)
    elif "stage" in labels:
        key = pipeline, labels["stage"], labels.get("kind", "")
        if name == f"{metric.LATENCY.name}_bucket":
            reading.buckets.setdefault(key, []).append((float(labels["le"]), value))
        else:
            numbers = reading.stages.setdefault(key, {})
            numbers[name] = numbers.get(name, 0.0) + value


def rows(before: Reading | None, now: Reading) -> list[Row]:
    """The stages between two readings; with only one, since each pipeline began."""
    return [_row(key, before, now) for key in now.stages]


def _row(key: Key, before: Reading | None, now: Reading) -> Row:
    numbers, past = now.stages[key], {} if before is None else before.stages.get(key, {})
    counts = _since(now.buckets.get(key, []), [] if before is None else before.buckets.get(key, []))
    seconds = now.at - before.at if before is not None and past else now.uptime.get(key[0], 0.0)
    frames = numbers.get(metric.FRAMES_OUT.name, 0.0)
    fresh = frames - past.get(metric.FRAMES_OUT.name, 0.0)
    size = numbers.get(metric.QUEUE_SIZE.name)
    return Row(
        *key,
        per_s=max(fresh, 0.0) / seconds if seconds > 0 else 0.0,
        frames=int(frames),
        queue=None if size is None else (int(numbers.get(metric.QUEUE.name, 0.0)), int(size)),
        p50=quantile(counts, 0.50),
        p99=quantile(counts, 0.99),
        dropped=int(numbers.get(metric.DROPPED.name, 0.0)),
        failed=int(numbers.get(metric.FAILURES.name, 0.0)),
    )


def _since(now: list[tuple[float, float]], before: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What was added to each bucket; a process that began anew has less than before, and all of it is new."""
    past = dict(before)
    if any(count < past.get(bound, 0.0) for bound, count in now):
        past = {}
    return [(bound, count - past.get(bound, 0.0)) for bound, count in now]


def quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """The seconds ``share`` of the frames stayed below, on a straight line within a bucket; None without frames."""
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0:
        return None
    low = seen = 0.0
    for bound, count in buckets:
        if count >= share * total:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (share * total - seen) / (count - seen)
        low, seen = bound, count
    return low


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)
