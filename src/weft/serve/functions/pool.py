"""The instances of a served function: threads with a handler each, and the bounded queue they take from.

The queue's policy is *refuse*: one request more than it holds gets BusyError at once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread

from weft.core.clock import monotonic
from weft.core.emitting import Take, told_at_once
from weft.core.errors import BusyError, GuestError, WeftError
from weft.core.frame import Frame
from weft.core.protocols import Function, Handler, StartedHandler, StoppableHandler

log = logging.getLogger("weft.serve")

Outcome = Sequence[Frame] | WeftError


@dataclass(slots=True, eq=False)
class Job:
    """One request.

    Attributes:
        frame: what the function is given.
        done: takes what it emitted, or its error, on an instance's thread; must not raise or wait. Not called for
            a request that was cancelled before it began.
        take: told of each frame as it is emitted; None for nobody.
        handler: what works on it, while it does.
        stopped: whether its handler was stopped for it.
    """

    frame: Frame
    done: Callable[[Outcome], object]
    take: Take | None = None
    handler: Handler | None = None
    stopped: bool = False


class Pool:
    """The instances of one function and what waits for them. Safe to use from many threads."""

    def __init__(self, function: Function, instances: int, queue: int) -> None:
        self.function = function
        self.instances = instances
        self._queue = queue
        self._changed = Condition()
        self._waiting: deque[Job] = deque()
        self._busy = 0
        self._typical_s = 0.0
        self._closed = False
        self._threads: list[Thread] = []

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Requests that are worked on."""
        return self._busy

    def start(self) -> None:
        """Start the instances; returns once the first is ready. Raises what starting it raises."""
        for number in range(self.instances):
            started: Future[None] = Future()
            name = f"weft:{self.function.name}:{number}"
            thread = Thread(target=self._work, args=(started,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
            if number == 0:  # what it compiles serves the others
                started.result()

    def submit(self, job: Job) -> None:
        """Take a request. Raises BusyError where the queue is full or the pool is closed."""
        with self._changed:
            if self._closed:
                raise BusyError("the function is being stopped", cure="ask again later")
            if len(self._waiting) >= self._queue + self.instances - self._busy:
                raise self._full()
            self._waiting.append(job)
            self._changed.notify()

    def cancel(self, job: Job) -> bool:
        """Nobody waits for a request any more: whether it had not begun. One that has is stopped, if it can be."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                return True
            if isinstance(job.handler, StoppableHandler):
                job.stopped = True
                job.handler.stop()
            return False

    def close(self) -> None:
        """Take nothing more; what waits is still done. Returns at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait until a closed pool has done what it took; whether it has. What is left then is stopped."""
        until = monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(until - monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _full(self) -> BusyError:
        ahead = (len(self._waiting) + self._busy) / self.instances
        what = f"{len(self._waiting)} requests wait for function '{self.function.name}', and its queue holds no more"
        return BusyError(what, retry_after_s=max(ahead * self._typical_s, 0.1), cure="ask again later, or less often")

    # --- its threads ---------------------------------------------------------------------

    def _work(self, started: Future[None]) -> None:
        try:
            handler = self.function.instance()
            handler.start()
        except BaseException as error:  # noqa: BLE001 - it is raised where the start is waited for
            started.set_exception(error)
            if isinstance(error, WeftError):
                log.warning("an instance of function '%s' cannot be started: %s", self.function.name, error)
            return
        started.set_result(None)
        while (job := self._next(handler)) is not None:
            outcome = self._handle(handler, job)
            if self._finish(job):
                handler = self._another(handler)
            job.done(outcome)
            del job, outcome  # whoever waits for the next request holds nothing of this one
        handler.close()

    def _next(self, handler: StartedHandler) -> Job | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            job = self._waiting.popleft()
            job.handler = handler
            self._busy += 1
            return job

    def _handle(self, handler: StartedHandler, job: Job) -> Outcome:
        began = monotonic()
        try:
            with told_at_once(job.take):
                return handler.handle(job.frame)
        except WeftError as error:
            return error
        except Exception as error:  # a defect of a host function: its caller must still be answered
            log.exception("function '%s' failed", self.function.name)
            return GuestError(f"the host failed: {type(error).__name__}", where=self.function.name)
        finally:
            self._typical_s += 0.1 * (monotonic() - began - self._typical_s)

    def _finish(self, job: Job) -> bool:
        """The handler is free again; whether it was stopped, and another must take its place."""
        with self._changed:
            job.handler = None
            self._busy -= 1
            return job.stopped

    def _another(self, handler: StartedHandler) -> StartedHandler:
        handler.close()
        return self.function.instance()
