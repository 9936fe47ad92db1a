"""The one place that decides what a run does next: start in order, go, drain, abort, give up.

It reads one mailbox on one thread, so there is nothing to lock, and its only clock is the deadline of a drain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Thread

from weft.core.clock import monotonic
from weft.core.errors import PipelineError, WeftError
from weft.flow.control import Control, Failed, Finished, Ready, Stop
from weft.flow.faults import log
from weft.flow.reader import SourceThread
from weft.flow.thread import StageThread
from weft.flow.wiring import Stage
from weft.flow.worker import FunctionThread

DRAIN_S = 10.0
ABORT_S = 5.0


class Supervisor:
    """Runs the stages of one pipeline to their end.

    Attributes:
        ended: "" while it runs; then "end" (the sources did), "error", "stop" or a signal's name.
        error: the first error that ended the pipeline.
    """

    def __init__(self, stages: Sequence[Stage], control: Control, *, drain_s: float, abort_s: float) -> None:
        self.ended = ""
        self.error: WeftError | None = None
        self._stages = stages
        self._control = control
        self._drain_s = drain_s
        self._abort_s = abort_s
        self._reason = "end"
        self._deadline: float | None = None
        self._aborted = False
        self._sinks_open = False
        self._starting: set[Thread] = set()
        self._alive: dict[Thread, Stage] = {}

    def run(self) -> None:
        """Start everything, and return when every thread has ended or been given up."""
        self._launch(stage for stage in self._stages if stage.kind != "sink")
        while self._alive:
            self._react()
        self.ended = "error" if self.error is not None else self._reason

    def _launch(self, stages: Iterable[Stage]) -> None:
        for stage in stages:
            for thread in stage.threads:
                self._alive[thread] = stage
                self._starting.add(thread)
        for made in list(self._starting):
            made.start()

    def _react(self) -> None:
        left = None if self._deadline is None else self._deadline - monotonic()
        match self._control.next(left):
            case Ready(thread):
                self._started(thread)
            case Failed(error, counted):
                self._fail(error, counted=counted)
            case Finished(thread):
                self._finished(thread)
            case Stop(reason, now, urgent):
                self._stop(reason, now=now or (urgent and self._ending))
            case None:
                self._too_late()

    @property
    def _ending(self) -> bool:
        return self._deadline is not None

    def _started(self, thread: Thread) -> None:
        self._starting.discard(thread)
        if self._starting or self._ending:
            return
        if not self._sinks_open:
            # Last, so that a pipeline that cannot start has not overwritten its outputs.
            self._sinks_open = True
            self._launch(stage for stage in self._stages if stage.kind == "sink")
        if not self._starting:
            self._control.go.set()

    def _finished(self, thread: Thread) -> None:
        thread.join()
        self._starting.discard(thread)
        self._alive.pop(thread).finish_thread()

    def _fail(self, error: WeftError, *, counted: bool = False) -> None:
        if self.error is None:
            self.error = error
        elif not counted:
            log.warning("and then: %s", error)
        self._drain()

    def _stop(self, reason: str, *, now: bool) -> None:
        if not self._ending:
            self._reason = reason
            log.info("%s: finishing what is under way; a second signal gives it up", reason)
            self._drain()
        if now:
            self._abort()

    def _drain(self) -> None:
        """End the sources; what is queued has ``drain_s`` to get through."""
        if self._ending:
            return
        self._deadline = monotonic() + self._drain_s
        self._control.stopping = True
        self._control.go.set()
        for reader in self._alive:
            if isinstance(reader, SourceThread):
                reader.close_early()

    def _abort(self) -> None:
        """Give up what is queued; what is being worked on has ``abort_s`` to end."""
        if self._aborted:
            return
        self._aborted = self._control.aborting = True
        self._deadline = monotonic() + self._abort_s
        for stage in self._stages:
            stage.abort()
        for thread in self._alive:
            if isinstance(thread, FunctionThread):
                thread.stop_handler()

    def _too_late(self) -> None:
        if not self._aborted:
            log.warning("not drained within %g s: giving up what is queued", self._drain_s)
            self._abort()
            return
        stuck = sorted({thread.stage for thread in self._alive if isinstance(thread, StageThread)})
        what = f"{', '.join(stuck)} did not stop within {self._abort_s:g} s"
        self._fail(PipelineError(what, cure="give functions a time limit; a sink or source that hangs is a defect"))
        self._alive.clear()
