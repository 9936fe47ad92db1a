"""A pipeline that runs: start it, watch it, stop it, wait for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread, current_thread, main_thread
from types import FrameType

from weft.core.clock import monotonic
from weft.flow.control import Control, Stop
from weft.flow.faults import unexpected
from weft.flow.graph import Graph
from weft.flow.summary import RUNNING, Summary, summarise
from weft.flow.supervisor import ABORT_S, DRAIN_S, Supervisor
from weft.flow.wiring import assemble


class Run:
    """One run of a graph, on threads of its own.

    Args:
        graph: what to run. Raises PipelineError when it could not.
        drain_s: seconds that what is queued has to get through after a stop or an error.
        abort_s: seconds a thread then has to end what it is doing, before it is left behind and named.
    """

    def __init__(self, graph: Graph, *, name: str = "", drain_s: float = DRAIN_S, abort_s: float = ABORT_S) -> None:
        graph.check()
        self._name = name
        self._control = Control()
        self._stages = assemble(graph, self._control)
        self._supervisor = Supervisor(self._stages, self._control, drain_s=drain_s, abort_s=abort_s)
        self._thread = Thread(target=self._supervise, name="weft:supervisor", daemon=True)
        self._done = Event()
        self._began = self._finished = 0.0

    def start(self) -> Run:
        """Begin, and return at once. Handlers start and models load before the first frame is read."""
        self._began = monotonic()
        self._thread.start()
        return self

    def __enter__(self) -> Run:
        return self if self._began else self.start()

    def __exit__(self, *_: object) -> None:
        """Stop if it still runs, and wait for the end; whoever leaves early, by an exception, does not drain."""
        if not self._done.is_set():
            self.abort()
            self._done.wait()

    def stop(self) -> None:
        """End the sources, drain what is queued, close the sinks. From any thread; returns at once."""
        self._control.post(Stop("stop"))

    def abort(self) -> None:
        """Give up what is queued and close the sinks. From any thread; returns at once."""
        self._control.post(Stop("stop", now=True))

    def interrupt(self, reason: str) -> None:
        """Stop; the second time, abort. Safe in a signal handler."""
        self._control.post(Stop(reason, urgent=True))

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when it has not come after ``timeout_s``."""
        return self._done.wait(timeout_s)

    def snapshot(self) -> Summary:
        """The numbers of this moment; after the end, of the whole run. From any thread."""
        done = self._done.is_set()
        return Summary(
            ended=self._supervisor.ended if done else RUNNING,
            seconds=(self._finished if done else monotonic()) - self._began,
            stages=tuple(map(summarise, self._stages)),
            error=self._supervisor.error if done else None,
            name=self._name,
        )

    def _supervise(self) -> None:
        try:
            self._supervisor.run()
        except BaseException as error:  # noqa: BLE001 - whoever waits must not wait for ever
            self._supervisor.ended = "error"
            self._supervisor.error = unexpected(error, where="the supervisor")
            for stage in self._stages:
                stage.abort()
        finally:
            self._finished = monotonic()
            self._done.set()


@contextmanager
def stopped_by_signals(run: Run) -> Iterator[None]:
    """SIGINT and SIGTERM stop ``run``, a second one aborts it; on the main thread only, and restored after."""
    if current_thread() is not main_thread():
        yield
        return

    def interrupt(number: int, _frame: FrameType | None) -> None:
        run.interrupt(signal.Signals(number).name)

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
