"""What a run has done so far, or in all: for progress, for ``--summary file.json``, for a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from weft.core.errors import OutputError, WeftError
from weft.core.units import format_duration
from weft.flow.queues import QueueCounts
from weft.flow.reader import SourceThread
from weft.flow.stats import Histogram, Meter, Quantiles
from weft.flow.thread import REPLACED, added
from weft.flow.wiring import Kind, Stage

RUNNING = "running"


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One source, function or sink in numbers.

    Attributes:
        name: the node's name.
        kind: source, function or sink.
        frames_in: frames that reached its queue, the dropped ones included; for a source, those it read.
        frames_out: frames it passed on, error records included; for a sink, those it wrote.
        dropped: frames of live sources that its queue's overflow policy gave up.
        failed: frames it failed on for good.
        retried: attempts after the first.
        abandoned: frames in its queue when the pipeline was aborted.
        replicas: its threads.
        busy_s: seconds its threads worked on frames, added up.
        latency: seconds of work per frame; for a source, of reading one.
        end_to_end: seconds from source to sink: since a live frame was taken, since a file's frame was read.
        queue: its queue's depth, peak and size; all 0 for a source without one.
        length: frames a source will give, where that is known.
        errors: per class of error, how many frames, and what the first one said.
        counters: what a source, handler or sink counted itself.
        swaps: how often a new version of the function took over.
        digest: SHA-256 of the module at work, where the function has one.
        bytes_out: bytes of the payloads it passed on, where those were encoded; for a sink, of those it wrote.
        replaced: instances of the function that were thrown away after a failure.
        state: what a source that may die, such as a camera, is doing; empty for others.
        trouble: why it gives no frames; empty while it does.
    """

    name: str
    kind: Kind
    frames_in: int
    frames_out: int
    dropped: int
    failed: int
    retried: int
    abandoned: int
    replicas: int
    busy_s: float
    latency: Quantiles
    end_to_end: Quantiles
    queue: QueueCounts
    length: int | None = None
    errors: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    swaps: int = 0
    digest: str = ""
    bytes_out: int = 0
    replaced: int = 0
    state: str = ""
    trouble: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: durations in milliseconds where the key says ``_ms``."""
        out: dict[str, object] = {
            "name": self.name,
            "kind": self.kind,
            "in": self.frames_in,
            "out": self.frames_out,
            "bytes": self.bytes_out,
            "dropped": self.dropped,
            "failed": self.failed,
            "retried": self.retried,
            "abandoned": self.abandoned,
            "replicas": self.replicas,
            "busy_s": round(self.busy_s, 6),
            "latency_ms": _milliseconds(self.latency),
        }
        if self.kind == "sink":
            out["end_to_end_ms"] = _milliseconds(self.end_to_end)
        if self.queue.size:
            out["queue"] = {"depth": self.queue.depth, "peak": self.queue.peak, "size": self.queue.size}
        out["errors"] = {kind: {"count": count, "first": first} for kind, (count, first) in self.errors.items()}
        if self.counters:
            out["counters"] = dict(self.counters)
        if self.kind == "function":
            out["swaps"] = self.swaps
            out["replaced"] = self.replaced
        if self.digest:
            out["digest"] = self.digest
        return out | self.standing()

    def standing(self) -> dict[str, str]:
        """State and trouble, where it has them."""
        found = {"state": self.state, "trouble": self.trouble}
        return {key: text for key, text in found.items() if text}


@dataclass(frozen=True, slots=True)
class Summary:
    """A run, so far or in all.

    Attributes:
        ended: "running"; then "end" (the sources did), "error", "stop", "SIGINT" or "SIGTERM".
        seconds: since the run began.
        stages: every node, sources first.
        error: what ended the run, where something did.
        name: the pipeline's name.
    """

    ended: str
    seconds: float
    stages: tuple[StageSummary, ...]
    error: WeftError | None = None
    name: str = ""

    HEADINGS = ("stage", "kind", "in", "out", "dropped", "failed", "p50", "p95", "p99", "busy")

    def stage(self, name: str) -> StageSummary:
        """The numbers of one node, the first of that name; KeyError if there is none."""
        return {stage.name: stage for stage in reversed(self.stages)}[name]

    def rows(self) -> list[tuple[str, ...]]:
        """One row per stage for a table, under :attr:`HEADINGS`."""
        return [_row(stage, self.seconds) for stage in self.stages]

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "pipeline": self.name,
            "ended": self.ended,
            "seconds": round(self.seconds, 6),
            "error": None if self.error is None else self.error.record(),
            "stages": [stage.to_dict() for stage in self.stages],
        }

    def save(self, path: Path) -> None:
        """Write the JSON. Raises OutputError when the file cannot be written."""
        try:
            path.write_text(json.dumps(self.to_dict(), indent=2) + "\n")
        except OSError as error:
            cure = "check that its folder is there, may be written to, and has room"
            what = f"the summary cannot be written: {error.strerror}"
            raise OutputError(what, where=str(path), cure=cure) from error

    def check(self) -> Summary:
        """Itself; raises :attr:`error` where something ended the run."""
        if self.error is not None:
            raise self.error
        return self


def summarise(stage: Stage) -> StageSummary:
    """The numbers of a stage at this moment; safe while its threads run."""
    meters = [thread.meter for thread in stage.threads]
    queue = stage.queue.counts() if stage.queue is not None else QueueCounts()
    first = stage.threads[0]
    state, trouble = first.standing if isinstance(first, SourceThread) else ("", "")
    counters = reduce(added, (thread.counters for thread in stage.threads))
    return StageSummary(
        name=stage.name,
        kind=stage.kind,
        frames_in=meters[0].taken if stage.kind == "source" else queue.entered,
        frames_out=meters[-1].out if stage.kind == "source" else sum(meter.out for meter in meters),
        dropped=queue.dropped,
        failed=sum(meter.failed for meter in meters),
        retried=sum(meter.retried for meter in meters),
        abandoned=queue.abandoned,
        replicas=1 if stage.kind == "source" else len(meters),
        busy_s=sum(meter.busy_s for meter in meters),
        latency=Histogram.merged(meter.latency for meter in meters),
        end_to_end=Histogram.merged([first.meter.end_to_end] if stage.kind == "sink" else []),
        queue=queue,
        state=state,
        trouble=trouble,
        length=first.length if isinstance(first, SourceThread) else None,
        errors=_errors(meters),
        counters={name: number for name, number in counters.items() if name != REPLACED},
        swaps=0 if stage.roster is None else stage.roster.swaps,
        digest="" if stage.roster is None else stage.roster.digest,
        bytes_out=meters[-1].bytes if stage.kind == "source" else sum(meter.bytes for meter in meters),
        replaced=counters.get(REPLACED, 0),
    )


def _errors(meters: list[Meter]) -> dict[str, tuple[int, str]]:
    out: dict[str, tuple[int, str]] = {}
    for meter in meters:
        for kind, (count, first) in dict(meter.errors).items():
            seen, words = out.get(kind, (0, str(first["what"])))
            out[kind] = (seen + count, words)
    return out


def _milliseconds(quantiles: Quantiles) -> dict[str, float]:
    values = {"p50": quantiles.p50, "p95": quantiles.p95, "p99": quantiles.p99, "max": quantiles.max}
    return {name: round(seconds * 1e3, 6) for name, seconds in values.items()}


def _row(stage: StageSummary, seconds: float) -> tuple[str, ...]:
    counts = (stage.frames_in, stage.frames_out, stage.dropped, stage.failed)
    latency = stage.latency
    times = [format_duration(value) if latency.count else "" for value in (latency.p50, latency.p95, latency.p99)]
    busy = stage.busy_s / (seconds * stage.replicas) if seconds else 0.0
    return (stage.name, stage.kind, *map(str, counts), *times, f"{min(busy, 1.0):.0%}")
