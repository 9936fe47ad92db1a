"""The threads of a function: each has a handler of its own, and does what ``on_error`` says when that fails."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread

from weft.core.clock import monotonic
from weft.core.errors import GuestError, WeftError
from weft.core.frame import Frame
from weft.core.protocols import Handler, StartedHandler, StoppableHandler
from weft.flow.control import Control, Failed
from weft.flow.faults import error_frame, log, stopped_by
from weft.flow.graph import FunctionNode
from weft.flow.items import Item
from weft.flow.order import Job, Lane
from weft.flow.queues import FrameQueue
from weft.flow.roster import Roster, Seat
from weft.flow.thread import StageThread


class FunctionThread(StageThread):
    """Runs one handler, and the one that follows it: takes frames from the lane, and gives back what it emits."""

    def __init__(
        self, node: FunctionNode, replica: int, control: Control, queue: FrameQueue, lane: Lane, roster: Roster
    ) -> None:
        super().__init__(node.name, replica, control)
        self._node = node
        self._queue = queue
        self._lane = lane
        self._replica = replica
        self._roster = roster
        self._default = node.streams[0]
        self._outputs = frozenset(node.streams)
        self._seat: Seat | None = None

    def work(self) -> None:
        """Make the handler on this thread and let it take frames until there are no more."""
        try:
            seat = self._seat = self._roster.join(self._replica, self._node.open())
            self.using(seat.handler)
            with self.closing(seat):
                self._use(seat)
            self.keep_counters(seat.handler)
        finally:
            self._roster.leave(self._replica)

    def _use(self, seat: Seat) -> None:
        try:
            self._make_ready(seat.handler)
            self._handle_all(seat)
        except BaseException:
            # Nobody may wait for a stage that is broken.
            self._queue.abort()
            raise

    def stop_handler(self) -> None:
        """End what the handler is doing, if it can be ended; called by the supervisor when the pipeline is aborted."""
        if self._seat is not None and isinstance(handler := self._seat.handler, StoppableHandler):
            Thread(target=self._end, args=(handler,), name=f"{self.name}:stop", daemon=True).start()

    def _end(self, handler: StoppableHandler) -> None:
        try:
            handler.stop()
        except Exception as error:  # noqa: BLE001 - foreign code; the supervisor waits for the thread in any case
            log.debug("stopping function '%s': %s", self.stage, error)

    def _make_ready(self, handler: Handler) -> None:
        """Only now, so that a start that takes long can be ended, too."""
        if isinstance(handler, StartedHandler) and not self._given_up():
            try:
                handler.start()
            except WeftError:
                if not self._given_up():
                    raise
        self.ready()

    def _given_up(self) -> bool:
        return self._control.aborting

    def _handle_all(self, seat: Seat) -> None:
        while (job := self._lane.take()) is not None:
            outputs: Sequence[Item] = ()
            try:
                if job.version == seat.version or self._change(seat, job):
                    outputs = self._work_on(seat.handler, job.item)
            except BaseException:
                job.item.abandon()
                raise
            finally:
                self._lane.finish(job, outputs)
            del job, outputs  # whoever waits for the next frame holds nothing of this one

    def _change(self, seat: Seat, job: Job) -> bool:
        """Work with another version from this frame on; False when nothing is worked on any more."""
        self.keep_counters(seat.handler)
        seat.change(job)
        self.using(seat.handler)
        self.meter.forget_told()
        if self._given_up():  # the new handler may have come too late to be stopped
            self._queue.give_up(job.item)
            return False
        return True

    def _work_on(self, handler: Handler, item: Item) -> Sequence[Item]:
        began = monotonic()
        emitted = self._try(handler, item)
        meter = self.meter
        meter.worked(monotonic() - began)
        meter.out += len(emitted)
        for frame in emitted:
            meter.bytes += frame.size
        return [Item(frame, item.origin, item.entered, item.receipt) for frame in emitted]

    def _try(self, handler: Handler, item: Item) -> Sequence[Frame]:
        """What the function emits for a frame; when it fails, what ``on_error`` says."""
        attempt = 0
        while True:
            try:
                return self._name_streams(handler.handle(item.frame))
            except WeftError as error:
                if self._given_up():
                    self._queue.give_up(item)
                    return ()
                if attempt >= self._node.on_error.retries:
                    return self._give_up(item, error)
                attempt += 1
                self.meter.retried += 1

    def _name_streams(self, emitted: Sequence[Frame]) -> Sequence[Frame]:
        for frame in emitted:
            if not frame.stream:
                frame.stream = self._default
            elif frame.stream not in self._outputs:
                what = f"it emitted to '{frame.stream}', which is none of its outputs"
                raise GuestError(what, where=self.stage, cure=f"add '{frame.stream}' to outputs: of '{self.stage}'")
        return emitted

    def _give_up(self, item: Item, error: WeftError) -> Sequence[Frame]:
        frame = item.frame
        error.at(self.stage)
        policy = self._node.on_error
        news = self.meter.fail(error)
        if policy.action == "fail":
            item.abandon()
            self._control.post(Failed(stopped_by(frame, error, function=self.stage), counted=True))
        elif news:
            told = str(error)  # whoever keeps what is logged would keep the frame with the error
            log.warning("frame %d of '%s' failed (others like it are counted): %s", frame.sequence, frame.stream, told)
        if policy.action == "stream":
            return (error_frame(frame, error, function=self.stage, stream=policy.stream),)
        return ()
