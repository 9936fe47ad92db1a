"""A served function: its state, its instances, and a call of it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Literal

from weft.core.clock import monotonic
from weft.core.emitting import Take
from weft.core.errors import BusyError, OverdueError, TimeLimitError, UnavailableError, WeftError
from weft.core.frame import Frame
from weft.core.model import Model
from weft.flow.functions import load_function
from weft.flow.stats import Histogram
from weft.serve.functions.counts import Counts
from weft.serve.functions.pool import Job, Outcome, Pool
from weft.serve.functions.spec import FunctionSpec

log = logging.getLogger("weft.serve")

State = Literal["LOADING", "READY", "UNAVAILABLE"]
NO_PICTURES = {".yaml", ".yml"}


class Hosted:
    """One function behind a name.

    Attributes:
        name: as requests say it.
        spec: what it is to be.
        state: what it is now.
        reason: why it is not ready.
        counts: what became of its requests.
        failures: requests that were not answered, by class of error; changed by the event loop's thread only.
        duration: from a request's arrival to its end, however it ended; likewise.
    """

    def __init__(self, name: str, spec: FunctionSpec) -> None:
        self.name = name
        self.spec = spec
        self.state: State = "LOADING"
        self.reason = ""
        self.counts = Counts()
        self.failures: Counter[str] = Counter()
        self.duration = Histogram()
        self._pool: Pool | None = None
        self._sequences = count()

    @property
    def ready(self) -> bool:
        """Whether a request would be taken."""
        return self.state == "READY"

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return self._pool.waiting if self._pool else 0

    @property
    def running(self) -> int:
        """Requests that are worked on."""
        return self._pool.running if self._pool else 0

    @property
    def instances(self) -> int:
        """Requests it works on at the same time."""
        return self.spec.instances or len(os.sched_getaffinity(0))

    @property
    def abi(self) -> str:
        """How the function is called, where that is known: ``reactor``, ``command`` …"""
        abi = getattr(self._pool.function, "abi", None) if self._pool else None
        return str(getattr(abi, "name", ""))

    def next_sequence(self) -> int:
        """The number of its next frame."""
        return next(self._sequences)

    def load(self, models: Mapping[str, Model]) -> None:
        """Make it ready; ``models`` are those it may load by name beside its own. Errors are logged and kept."""
        options, timeout_s = self.spec.options, self.spec.timeout_s
        own = {} if self.spec.path.suffix in NO_PICTURES else {**models, **options.models}
        limits = replace(options.limits, time=min(options.limits.time, timeout_s))
        try:
            function = load_function(self.spec.path, replace(options, name=self.name, models=own, limits=limits))
            pool = Pool(function, self.instances, self.spec.queue)
            pool.start()
        except WeftError as error:
            log.error("function '%s' cannot be loaded: %s", self.name, error)
            self.state, self.reason = "UNAVAILABLE", "it could not be loaded; the server's log says why"
            return
        self._pool, self.state = pool, "READY"
        log.info("function '%s' is ready", self.name)

    def close(self) -> None:
        """Take nothing more; what was taken is still done. Returns at once."""
        if self._pool is not None:
            self._pool.close()

    def join(self, timeout_s: float) -> None:
        """Wait until what was taken is done."""
        if self._pool is not None and not self._pool.join(timeout_s):
            log.warning("function '%s' still runs; it is left behind", self.name)

    async def call(self, frame: Frame, take: Take | None = None) -> Sequence[Frame]:
        """What the function emits for a frame; ``take`` is told of each as it is emitted. Cancelled, it is stopped.

        Raises UnavailableError (not ready), BusyError (queue full, or waited too long), OverdueError and
        TimeLimitError (ran too long), GuestError (failed), and InputError where the frame is not what it takes.
        """
        try:
            return await self._called(frame, take)
        except WeftError as error:
            self.failed(error)
            raise

    def failed(self, error: WeftError) -> None:
        """Count a request that is not answered."""
        self.failures[type(error).__name__] += 1

    async def _called(self, frame: Frame, take: Take | None) -> Sequence[Frame]:
        pool = self._open()
        future: asyncio.Future[Sequence[Frame]] = asyncio.get_running_loop().create_future()
        job = Job(frame, partial(_deliver, asyncio.get_running_loop(), future), take)
        try:
            pool.submit(job)
        except BusyError:
            self.counts.refused += 1
            raise
        return await self._outcome(pool, job, future)

    async def _outcome(self, pool: Pool, job: Job, future: asyncio.Future[Sequence[Frame]]) -> Sequence[Frame]:
        timeout_s, began = self.spec.timeout_s, monotonic()
        loop = asyncio.get_running_loop()
        timer = None if math.isinf(timeout_s) else loop.call_later(timeout_s, self._expire, pool, job, future)
        try:
            emitted = await future
        except asyncio.CancelledError:
            pool.cancel(job)
            self.counts.gone += 1
            raise
        except (BusyError, OverdueError, TimeLimitError):
            self.counts.overdue += 1
            raise
        except WeftError:
            self.counts.failed += 1
            raise
        finally:
            self.duration.record(monotonic() - began)
            if timer is not None:
                timer.cancel()
        self.counts.succeeded += 1
        self.counts.emitted += len(emitted)
        return emitted

    def _expire(self, pool: Pool, job: Job, future: asyncio.Future[Sequence[Frame]]) -> None:
        if future.done():
            return
        if pool.cancel(job):
            what = f"waited for function '{self.name}' as long as it may"
            future.set_exception(BusyError(what, cure="ask again later"))
        else:
            future.set_exception(OverdueError(f"function '{self.name}' took longer than it may", cure="send less"))

    def _open(self) -> Pool:
        if self._pool is not None:
            return self._pool
        if self.state == "LOADING":
            raise BusyError(f"function '{self.name}' is loading", cure="ask again in a moment")
        raise UnavailableError(f"function '{self.name}' is not ready: {self.reason}", cure="ask for another")


def _deliver(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Sequence[Frame]], outcome: Outcome) -> None:
    try:
        loop.call_soon_threadsafe(_settle, future, outcome)
    except RuntimeError:  # the loop has ended, and nobody waits
        return


def _settle(future: asyncio.Future[Sequence[Frame]], outcome: Outcome) -> None:
    if future.done():
        return
    if isinstance(outcome, WeftError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
