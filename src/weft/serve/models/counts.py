"""What is counted of a served model: requests, how long they waited and ran, and how large batches were."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class Span:
    """How many there were, and their nanoseconds added up."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int, count: int = 1) -> None:
        """Some more."""
        self.count += count
        self.ns += ns


@dataclass(slots=True)
class BatchCounts:
    """Executions of one batch size, by the three parts of their time."""

    compute_input: Span = field(default_factory=Span)
    compute_infer: Span = field(default_factory=Span)
    compute_output: Span = field(default_factory=Span)


@dataclass(slots=True)
class Counts:
    """Of one version of a model, since the server started. A copy from :meth:`Counter.read` is consistent.

    Attributes:
        success: answered requests, from arrival to answer.
        fail: requests that the model or its engine failed on.
        queue: how long requests waited.
        compute_input: joining requests to a batch.
        compute_infer: the engine.
        compute_output: taking batches apart.
        inferences: rows (a batch of 8 is 8).
        executions: calls of the engine.
        last_inference_ms: when the last one ended, milliseconds since the epoch.
        batches: by batch size.
        refused: requests that found the queue full.
        overdue: requests whose time ran out.
        gone: requests whose caller went away before they began.
        loads: how often it was loaded.
        evictions: how often it was put aside for the memory of others.
    """

    success: Span = field(default_factory=Span)
    fail: Span = field(default_factory=Span)
    queue: Span = field(default_factory=Span)
    compute_input: Span = field(default_factory=Span)
    compute_infer: Span = field(default_factory=Span)
    compute_output: Span = field(default_factory=Span)
    inferences: int = 0
    executions: int = 0
    last_inference_ms: int = 0
    batches: dict[int, BatchCounts] = field(default_factory=dict)
    refused: int = 0
    overdue: int = 0
    gone: int = 0
    loads: int = 0
    evictions: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """One call of the engine: its requests' arrival, and when each part of it began and ended, monotonic ns."""

    arrived: tuple[int, ...]
    rows: int
    began: int
    joined: int
    computed: int
    ended: int
    ended_ms: int


class Counter:
    """Keeps ``Counts``; from many threads."""

    def __init__(self) -> None:
        self._counts = Counts()
        self._lock = Lock()

    def executed(self, done: Execution) -> None:
        """A call of the engine gave its requests their answers."""
        requests = len(done.arrived)
        with self._lock:
            counts = self._counts
            for arrived in done.arrived:
                counts.success.add(done.ended - arrived)
                counts.queue.add(done.began - arrived)
            counts.inferences += done.rows
            counts.executions += 1
            counts.last_inference_ms = done.ended_ms
            batch = counts.batches.get(done.rows)
            if batch is None:
                batch = counts.batches[done.rows] = BatchCounts()
            parts = (done.joined - done.began, done.computed - done.joined, done.ended - done.computed)
            for name, ns in zip(("compute_input", "compute_infer", "compute_output"), parts, strict=True):
                getattr(counts, name).add(ns * requests, requests)
                getattr(batch, name).add(ns)

    def failed(self, arrived: int, now: int) -> None:
        """A request failed."""
        with self._lock:
            self._counts.fail.add(now - arrived)

    def count(self, name: str) -> None:
        """One more of ``refused``, ``overdue``, ``gone``, ``loads`` or ``evictions``."""
        with self._lock:
            setattr(self._counts, name, getattr(self._counts, name) + 1)

    def read(self) -> Counts:
        """A copy of the counts as they are now."""
        from copy import deepcopy

        with self._lock:
            return deepcopy(self._counts)
