"""The metrics of this process: read from the counters that are there anyway, at the moment somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from weft.flow import metric
from weft.flow.executor import Run
from weft.flow.functions import models
from weft.flow.metric import Metric, Sample
from weft.flow.stats import spread
from weft.flow.summary import RUNNING, StageSummary
from weft.flow.wiring import Stage

Collect = Callable[[], Iterable[Sample]]


class Metrics:
    """What a process tells of its pipelines, models and whatever else is added. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs: dict[str, Run] = {}
        self._others: list[Collect] = []

    def watch(self, run: Run) -> str:
        """Tell of a pipeline from now on. Returns its name here: the second ``belt`` is ``belt#2``.

        One that has ended is told of until another one of its name is watched.
        """
        with self._lock:
            names = [run.name, *(f"{run.name}#{number}" for number in range(2, len(self._runs) + 2))]
            name = next(name for name in names if name not in self._runs or self._runs[name].wait(0))
            self._runs[name] = run
            return name

    def add(self, collect: Collect) -> None:
        """Have something else tell of itself: ``collect`` is called whenever somebody asks, on any thread."""
        with self._lock:
            self._others.append(collect)

    def samples(self) -> Iterator[Sample]:
        """Everything, as it is now."""
        from weft import __version__

        with self._lock:
            runs, others = dict(self._runs), list(self._others)
        yield Sample(metric.BUILD, (__version__,), 1)
        for name, run in runs.items():
            yield from _of_run(name, run)
        yield from _of_models()
        for collect in others:
            yield from collect()

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return metric.exposition(self.samples())

    def health(self) -> dict[str, str]:
        """Each pipeline's name and how it is: "running", or how it ended."""
        with self._lock:
            runs = dict(self._runs)
        return {name: run.ended for name, run in runs.items()}


def _of_run(name: str, run: Run) -> Iterator[Sample]:
    summary = run.snapshot()
    yield Sample(metric.RUNNING, (name,), summary.ended == RUNNING)
    yield Sample(metric.UPTIME, (name,), summary.seconds)
    for stage, told in zip(run.stages, summary.stages, strict=True):
        labels = (name, told.name, told.kind)
        yield from (Sample(kind, labels, value) for kind, value in _numbers(told))
        yield from (Sample(metric.FAILURES, (*labels, kind), count) for kind, (count, _) in told.errors.items())
        yield from (Sample(metric.EVENTS, (*labels, event), count) for event, count in told.counters.items())
        yield from _spreads(stage, labels)


def _numbers(told: StageSummary) -> Iterator[tuple[Metric, float]]:
    yield metric.FRAMES_IN, told.frames_in
    yield metric.FRAMES_OUT, told.frames_out
    yield metric.BYTES_OUT, told.bytes_out
    yield metric.BUSY, told.busy_s
    yield metric.REPLICAS, told.replicas
    if told.queue.size:
        yield metric.DROPPED, told.dropped
        yield metric.ABANDONED, told.abandoned
        yield metric.QUEUE, told.queue.depth
        yield metric.QUEUE_PEAK, told.queue.peak
        yield metric.QUEUE_SIZE, told.queue.size
    if told.state:
        yield metric.LIVE, told.state == "live"
    if told.kind == "function":
        yield metric.RETRIES, told.retried
        yield metric.REPLACED, told.replaced
        yield metric.SWAPS, told.swaps


def _spreads(stage: Stage, labels: tuple[str, ...]) -> Iterator[Sample]:
    yield Sample(metric.LATENCY, labels, spread(thread.meter.latency for thread in stage.threads))
    if stage.kind == "sink":
        yield Sample(metric.END_TO_END, labels, spread(thread.meter.end_to_end for thread in stage.threads))


def _of_models() -> Iterator[Sample]:
    """Models of one file name, engine and device are told of as one."""
    if not models.made:
        return
    found: dict[tuple[str, ...], tuple[int, float]] = {}
    for model in models().loaded():
        labels: tuple[str, ...] = (model.info.name, model.info.engine, model.info.device)
        count, seconds = found.get(labels, (0, 0.0))
        more, longer = model.usage.read()
        found[labels] = count + more, seconds + longer
    for labels, (count, seconds) in found.items():
        yield Sample(metric.INFERENCES, labels, count)
        yield Sample(metric.INFERENCE_TIME, labels, seconds)
