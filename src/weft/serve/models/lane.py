"""A loaded model's lane: a bounded queue, and threads that take from it and run the model.

The queue's policy is *refuse*: one request more than it holds gets BusyError at once. A thread that comes free takes
the oldest request, and joins to it what waits and fits, up to the largest batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Condition, Lock, Thread
from time import monotonic_ns, thread_time_ns

from weft.core.errors import BusyError
from weft.core.model import Model
from weft.core.tensor import Tensor
from weft.nn.ports import Feed, output_indexes
from weft.serve.models.batch import rows_of, shapes_of
from weft.serve.models.counts import Counter
from weft.serve.models.job import Done, Job, LaneSettings, Load, RetiredError
from weft.serve.models.running import Runner

QUICK_S = 0.0002
"""An inference that is shorter costs less than the way to another thread and back."""

_LONG_NS = 2_000_000
_SLOW_FOR = 1000


class Lane:
    """The queue and threads of one loaded model. Safe to use from many threads.

    Attributes:
        model: what runs.
        settings: how it works.
        ran: the engine and the device that its answers name: those that ran, not those that were asked for.
    """

    def __init__(
        self, name: str, model: Model, settings: LaneSettings, counter: Counter, twin: Model | None = None
    ) -> None:
        self.model = model
        self.settings = settings
        self.ran = {"engine": model.info.engine, "device": model.info.device}
        self._name = name
        self._counter = counter
        self._feed = Feed(model.info.inputs)
        self._batches = settings.max_batch > 1
        self._lock = Lock()
        # No SimpleQueue: with several takers, CPython's may let one that waits only so long wait for ever.
        self._comes = Condition(self._lock)  # a job, for a thread that has none
        self._joins = Condition(self._lock)  # a job, for a batch whose window is open
        self._load = Load()
        self._runner = Runner(name, model, twin, settings.instances, counter, self._lock, self._load)
        self._threads = [
            Thread(target=self._work, name=f"weft:{name}:{number}", daemon=True) for number in range(settings.instances)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._load.waiting)

    @property
    def running(self) -> int:
        """Requests in the engine."""
        return self._load.running

    def job(self, inputs: Mapping[str, Tensor], wanted: Sequence[str], done: Done, timeout_s: float) -> Job:
        """A job for :meth:`submit`. Raises TensorError for names, dtypes and shapes the model does not have."""
        feeds = self._feed.order(inputs, self._name)
        if wanted:
            output_indexes(wanted, self.model.info.outputs, self._name)
        now = monotonic_ns()
        overdue = 0 if timeout_s == float("inf") else now + int(timeout_s * 1e9)
        names = tuple(dict.fromkeys(wanted)) or None
        job = Job(inputs, names, done, now, overdue)
        if self._batches:
            job.rows, job.shapes = rows_of(feeds), shapes_of(feeds)
        return job

    def submit(self, job: Job) -> None:
        """Take a job. Raises BusyError where the queue is full, and RetiredError once the lane is closed."""
        with self._lock:
            load = self._load
            if load.closed:
                raise RetiredError
            self._refuse_full()
            load.waiting.append(job)
            (self._joins if load.gathering else self._comes).notify()

    def check_room(self) -> None:
        """Raises BusyError where :meth:`submit` would. A lane that is closed says nothing: another takes its place."""
        with self._lock:
            if not self._load.closed:
                self._refuse_full()

    def run_here(self, job: Job) -> bool:
        """Run a job on the caller's thread, where that is quicker than waking another; else False: submit it.

        Only for models whose inference takes less time than the way to another thread and back. Raises RetiredError.
        """
        if not self.settings.quick:
            return False
        with self._lock:
            load = self._load
            if load.closed:
                raise RetiredError
            if load.slow or load.waiting or load.busy >= self.settings.instances:
                load.slow = max(load.slow - 1, 0)
                return False
            load.busy += 1
            load.running += 1
        began = thread_time_ns()  # of this thread alone: on a busy machine others may have had the core meanwhile
        try:
            self._runner.run([job])
        finally:
            with self._lock:
                load.busy -= 1
                load.running -= 1
                if thread_time_ns() - began > _LONG_NS:
                    load.slow = _SLOW_FOR
        return True

    def cancel(self, job: Job, reason: str = "gone") -> bool:
        """Nobody waits for a job any more: count why. True where it had not begun; ``done`` is not called then."""
        with self._lock:
            begun = job not in self._load.waiting
            if begun and job.ended:
                return False
            job.left = begun
            if not begun:
                self._load.waiting.remove(job)
        self._counter.count(reason)
        return not begun

    def close(self) -> None:
        """Take nothing more; what waits is still done. Returns at once."""
        with self._lock:
            self._load.closed = True
            self._comes.notify_all()
            self._joins.notify_all()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until a closed lane has done all it took; whether it has."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _refuse_full(self) -> None:
        idle = self.settings.instances - self._load.busy
        if len(self._load.waiting) >= self.settings.queue + idle:
            self._counter.count("refused")
            raise self._busy(self._load)

    def _busy(self, load: Load) -> BusyError:
        ahead = (len(load.waiting) + load.running) / self.settings.instances
        what = f"{len(load.waiting)} requests wait for model '{self._name}', and its queue holds no more"
        return BusyError(what, retry_after_s=max(ahead * load.typical_s, 0.1), cure="ask again later, or less often")

    # --- its threads ---------------------------------------------------------------------

    def _work(self) -> None:
        while batch := self._take():
            try:
                self._runner.run(batch)
            finally:
                with self._lock:
                    self._load.busy -= 1
                    self._load.running -= len(batch)

    def _take(self) -> list[Job]:
        """The oldest job and what joins it, as soon as there is one; none once the lane is closed and all is done."""
        load = self._load
        with self._lock:
            while not load.waiting:
                if load.closed:
                    return []
                self._comes.wait()
            batch = [load.waiting.popleft()]
            load.busy += 1
            load.running += 1
            if self._batches:
                self._gather(batch)
                if load.waiting:  # what did not fit, and another thread may have heard nothing of
                    self._comes.notify()
            return batch

    def _gather(self, batch: list[Job]) -> None:
        """Join what waits to a batch; where a window is open, also what comes until it closes."""
        until = monotonic_ns() + int(self.settings.batch_window_s * 1e9)
        while self._join_waiting(batch) and not self._load.closed and (left := until - monotonic_ns()) > 0:
            self._load.gathering += 1
            self._joins.wait(left / 1e9)
            self._load.gathering -= 1

    def _join_waiting(self, batch: list[Job]) -> bool:
        """Join what waits and fits; whether there is room for more."""
        rows = sum(job.rows for job in batch)
        waiting = self._load.waiting
        if not rows:
            return False
        while waiting and batch[0].joins(waiting[0]) and rows + waiting[0].rows <= self.settings.max_batch:
            job = waiting.popleft()
            batch.append(job)
            rows += job.rows
            self._load.running += 1
        return not waiting and rows < self.settings.max_batch
