"""A pipeline that runs: start it, watch it, stop it, wait for it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread, current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING

from weft.core.clock import monotonic
from weft.core.errors import UsageError
from weft.core.protocols import Handler
from weft.core.suggest import did_you_mean
from weft.flow.control import Control, Stop
from weft.flow.faults import log, unexpected
from weft.flow.graph import Graph
from weft.flow.summary import RUNNING, Summary, summarise
from weft.flow.supervisor import ABORT_S, DRAIN_S, Supervisor
from weft.flow.swap import Swap, Tell
from weft.flow.traced import Tracing
from weft.flow.wiring import Stage, assemble

if TYPE_CHECKING:
    from weft.flow.spans import Spans


class Run:
    """One run of a graph, on threads of its own.

    Args:
        graph: what to run. Raises PipelineError when it could not.
        drain_s: seconds that what is queued has to get through after a stop or an error.
        abort_s: seconds a thread then has to end what it is doing, before it is left behind and named.
        after: called when every thread has ended, before the run counts as ended.
        spans: records what happens to its frames.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        name: str = "",
        drain_s: float = DRAIN_S,
        abort_s: float = ABORT_S,
        after: Callable[[], None] | None = None,
        spans: Spans | None = None,
    ) -> None:
        graph.check()
        self._name = name
        self._after = after
        self._control = Control()
        self._tracing = None if spans is None else Tracing(spans, name)
        self._stages = assemble(graph if self._tracing is None else self._tracing.graph(graph), self._control)
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

    def swap(self, name: str, make: Callable[[], Handler], tell: Tell | None = None) -> Swap:
        """Put a new version in the place of a function, without losing a frame. From any thread; returns at once.

        The new version is made on a thread of its own while the old one goes on: ``make`` is called there once per
        replica, and what it makes is started. Then each replica changes over between two frames, and its old handler
        is closed after its last frame. One that cannot be made or does not start is refused: the old one stays.

        ``tell`` is called on that thread whenever :attr:`Swap.state` changes. Raises UsageError for a name that no
        function of the pipeline has.
        """
        rosters = {stage.name: stage.roster for stage in self._stages if stage.roster is not None}
        if name not in rosters:
            cure = did_you_mean(name, rosters) or f"its functions are {', '.join(rosters) or 'none'}"
            raise UsageError(f"the pipeline has no function '{name}'", where=self._name, cure=cure)
        return Swap(rosters[name], make if self._tracing is None else self._tracing.handler(name, make), tell)

    def wait_ready(self, timeout_s: float | None = None) -> bool:
        """Wait until every handler and sink is made and frames may come; False when that has not come or never will."""
        return self._control.go.wait(timeout_s) and not self._control.stopping

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._name

    @property
    def ended(self) -> str:
        """``running``, or how it ended, as in :class:`weft.flow.summary.Summary`."""
        return self._supervisor.ended if self._done.is_set() else RUNNING

    @property
    def stages(self) -> Sequence[Stage]:
        """Its stages, sources first; whoever looks must not change them."""
        return self._stages

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when it has not come after ``timeout_s``."""
        return self._done.wait(timeout_s)

    def snapshot(self) -> Summary:
        """The numbers of this moment; after the end, of the whole run. From any thread."""
        done = self._done.is_set()
        return Summary(
            ended=self.ended if done else RUNNING,
            seconds=(self._finished if done else monotonic()) - self._began if self._began else 0.0,
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
            self._end()

    def _end(self) -> None:
        try:
            if self._after is not None:
                self._after()
        except Exception as error:  # noqa: BLE001 - as above; the work is done, and its own error matters more
            log.warning("and then: %s", error)
        finally:
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
