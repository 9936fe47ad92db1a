"""The thread that speaks to Zenoh on behalf of its callbacks, which must not.

It does small jobs in order, notes what has become of something, and calls those who want to be looked after at the
time they ask for.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Hashable
from functools import partial
from itertools import count
from threading import Condition, Event, Thread
from typing import Protocol

from weft.core.clock import monotonic

MAX_JOBS = 4096
"""Jobs that wait; more are dropped, and what they were for is asked for again."""

log = logging.getLogger(__name__)

Job = Callable[[], None]


class Timed(Protocol):
    """Somebody who is called from time to time."""

    def __call__(self, now: float, /) -> float | None:
        """Do what is due; when to be called again, or None for never."""


class Keeper:
    """One thread, a bounded list of jobs, the latest news and a list of times.

    Attributes:
        dropped: jobs there was no room for.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._jobs: list[Job] = []
        self._news: dict[Hashable, Job] = {}
        self._times: list[tuple[float, int, Timed]] = []
        self._ties = count()
        self._changed = Condition()
        self._open = True
        self._thread = Thread(target=self._run, name="weft-streams", daemon=True)
        self._thread.start()

    def do(self, job: Job) -> None:
        """Do it soon."""
        with self._changed:
            if len(self._jobs) >= MAX_JOBS:
                self.dropped += 1
                return
            self._jobs.append(job)
            self._changed.notify()

    def note(self, about: Hashable, job: Job) -> None:
        """Do it soon, in place of what still waits about the same: such as who came and went, which is told only once.

        None is dropped; there are no more than there are things to tell of.
        """
        with self._changed:
            self._news.pop(about, None)  # the latest news come last
            self._news[about] = job
            self._changed.notify()

    def catch_up(self, timeout_s: float) -> bool:
        """Wait until all is done that it has been told of so far; False where that takes longer. Not for its jobs."""
        done = Event()
        self.note(done, done.set)
        return done.wait(timeout_s)

    def call(self, timed: Timed, at: float) -> None:
        """Call it at that time (``monotonic``)."""
        with self._changed:
            heapq.heappush(self._times, (at, next(self._ties), timed))
            self._changed.notify()

    def close(self) -> None:
        """Finish what is begun; what waits is dropped."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            jobs, due = work
            for job in jobs:
                _safely(job)
            for timed in due:
                _safely(partial(self._call, timed))

    def _call(self, timed: Timed) -> None:
        if (again := timed(monotonic())) is not None:
            self.call(timed, again)

    def _next(self) -> tuple[list[Job], list[Timed]] | None:
        with self._changed:
            while self._open:
                now = monotonic()
                due = []
                while self._times and self._times[0][0] <= now:
                    due.append(heapq.heappop(self._times)[2])
                if self._jobs or self._news or due:
                    jobs, self._jobs = [*self._news.values(), *self._jobs], []
                    self._news.clear()
                    return jobs, due
                self._changed.wait(self._times[0][0] - now if self._times else None)
        return None


def _safely(job: Job) -> None:
    try:
        job()
    except Exception:  # Zenoh raises its own errors when a peer is gone in the middle; the next job may be fine
        log.debug("a job of the streams' thread failed", exc_info=True)
