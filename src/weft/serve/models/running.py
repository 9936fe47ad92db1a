"""Running a lane's jobs: one by one or joined to a batch, and telling each what came of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Lock
from time import monotonic_ns

from weft.core.clock import now_ns
from weft.core.errors import BusyError, ModelError, TensorError, WeftError
from weft.core.model import Model
from weft.serve.models.batch import joined, parted
from weft.serve.models.counts import Counter, Execution
from weft.serve.models.job import Job, Load

log = logging.getLogger("weft.serve")


class Runner:
    """Runs batches, on whatever thread asks; several at the same time.

    Args:
        name: the model's, for messages.
        model: what runs.
        twin: what runs in its place where requests fill the cores by themselves.
        instances: how many may run at the same time.
        counter: where they are counted.
        lock: held where ``load`` is read or changed.
        load: what the lane has to do.
    """

    def __init__(
        self, name: str, model: Model, twin: Model | None, instances: int, counter: Counter, lock: Lock, load: Load
    ) -> None:
        self._name = name
        self._model = model
        self._twin = twin
        self._instances = instances
        self._counter = counter
        self._lock = lock
        self._load = load

    def run(self, batch: list[Job]) -> None:
        """Run some that were joined, but those nobody waits for any more. Each is told what came of it."""
        began = monotonic_ns()
        live = [job for job in batch if not job.overdue or began < job.overdue]
        for job in batch:
            if job not in live:
                self._late(job, began)
        if not live:
            return
        try:
            self._execute(live, began)
        except (ModelError, TensorError) as error:
            self._fail(live, error)
        except Exception as error:  # an engine can raise anything; its callers must still be answered
            log.exception("model '%s' failed", self._name)
            self._fail(live, ModelError(f"the engine failed: {type(error).__name__}", where=self._name))

    def _late(self, job: Job, now: int) -> None:
        if self._ends(job):
            self._counter.count("overdue")
        waited = (now - job.arrived) / 1e9
        job.done(
            BusyError(f"waited {waited:.1f} s for model '{self._name}', as long as it may", cure="ask again later")
        )

    def _execute(self, jobs: Sequence[Job], began: int) -> None:
        inputs = jobs[0].inputs if len(jobs) == 1 else joined([job.inputs for job in jobs])
        at_joined = monotonic_ns()
        outputs = self._suited().infer(inputs, jobs[0].wanted)
        computed = monotonic_ns()
        rows = [job.rows for job in jobs]
        shares = [outputs] if len(jobs) == 1 else parted(outputs, rows, self._name)
        ended = monotonic_ns()
        arrived = tuple(job.arrived for job in jobs if self._ends(job))
        self._load.typical_s += 0.1 * ((ended - began) / 1e9 / len(jobs) - self._load.typical_s)
        self._counter.executed(
            Execution(arrived, sum(rows) or 1, began, at_joined, computed, ended, now_ns() // 1_000_000)
        )
        for job, share in zip(jobs, shares, strict=True):
            job.done(share)

    def _ends(self, job: Job) -> bool:
        """A job is done: whether anybody still waits for it."""
        with self._lock:
            job.ended = True
            return not job.left

    def _suited(self) -> Model:
        """The model, or its twin with one thread where as many requests as it has threads are there."""
        if self._twin is None:
            return self._model
        with self._lock:
            there = min(self._load.busy + len(self._load.waiting), self._instances)
        return self._twin if there >= self._model.info.threads else self._model

    def _fail(self, jobs: Sequence[Job], error: WeftError) -> None:
        """Tell a request its error; of a batch, run each by itself, so that one does not fail the others."""
        if len(jobs) > 1:
            for job in jobs:
                self.run([job])
            return
        if self._ends(jobs[0]):
            self._counter.failed(jobs[0].arrived, monotonic_ns())
        jobs[0].done(error)
