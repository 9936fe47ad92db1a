"""The threads of a function: each has a handler of its own, and does what ``on_error`` says when that fails."""

from __future__ import annotations

from collections.abc import Sequence

from weft.core.clock import monotonic
from weft.core.errors import GuestError, WeftError
from weft.core.frame import Frame
from weft.core.protocols import Handler
from weft.flow.control import Control
from weft.flow.faults import error_frame, log, stopped_by
from weft.flow.graph import FunctionNode
from weft.flow.items import Item
from weft.flow.order import Lane
from weft.flow.queues import FrameQueue
from weft.flow.thread import StageThread


class FunctionThread(StageThread):
    """Runs one handler: takes frames from the lane, and gives back what it emits."""

    def __init__(self, node: FunctionNode, replica: int, control: Control, queue: FrameQueue, lane: Lane) -> None:
        super().__init__(node.name, replica, control)
        self._node = node
        self._queue = queue
        self._lane = lane
        self._default = node.streams[0]
        self._outputs = frozenset(node.streams)

    def work(self) -> None:
        """Make the handler on this thread and let it take frames until there are no more."""
        handler = self._node.open()
        with self.closing(handler):
            self.ready()
            try:
                self._handle_all(handler)
            except BaseException:
                # Nobody may wait for a stage that is broken.
                self._queue.abort()
                raise

    def _handle_all(self, handler: Handler) -> None:
        while (job := self._lane.take()) is not None:
            outputs: Sequence[Item] = ()
            try:
                outputs = self._handle(handler, job.item)
            finally:
                self._lane.finish(job, outputs)

    def _handle(self, handler: Handler, item: Item) -> Sequence[Item]:
        began = monotonic()
        emitted = self._try(handler, item.frame)
        meter = self.meter
        meter.worked(monotonic() - began)
        meter.out += len(emitted)
        return [Item(frame, item.origin, item.entered) for frame in emitted]

    def _try(self, handler: Handler, frame: Frame) -> Sequence[Frame]:
        """What the function emits for ``frame``; when it fails, what ``on_error`` says."""
        attempt = 0
        while True:
            try:
                return self._name_streams(handler.handle(frame))
            except WeftError as error:
                if attempt >= self._node.on_error.retries:
                    return self._give_up(frame, error)
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

    def _give_up(self, frame: Frame, error: WeftError) -> Sequence[Frame]:
        error.at(self.stage)
        policy = self._node.on_error
        if self.meter.fail(error):
            log.warning("frame %d of '%s' failed (others like it are counted): %s", frame.sequence, frame.stream, error)
        if policy.action == "fail":
            self.fail(stopped_by(frame, error, function=self.stage))
        if policy.action == "stream":
            return (error_frame(frame, error, function=self.stage, stream=policy.stream),)
        return ()
