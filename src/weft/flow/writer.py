"""The thread of a sink."""

from __future__ import annotations

from weft.core.clock import monotonic, now_ns
from weft.core.errors import InputError
from weft.core.protocols import Sink
from weft.flow.control import Control
from weft.flow.faults import log
from weft.flow.graph import SinkNode
from weft.flow.items import Item
from weft.flow.queues import FrameQueue
from weft.flow.thread import StageThread


class SinkThread(StageThread):
    """Writes to one sink, and closes it whatever happens."""

    def __init__(self, node: SinkNode, control: Control, queue: FrameQueue) -> None:
        super().__init__(node.name, 0, control)
        self._node = node
        self._queue = queue

    def work(self) -> None:
        """Make the sink, write until there are no more frames, finish it."""
        sink = self._node.open()
        self.using(sink)
        try:
            self._use(sink)
        finally:
            self.keep_counters(sink)

    def _use(self, sink: Sink) -> None:
        with self.closing(sink):
            self.ready()
            try:
                while (item := self._queue.get()) is not None:
                    self._write(sink, item)
                    del item  # who waits for the next frame holds nothing of this one
            except BaseException:
                # Nobody may wait for a sink that is broken.
                self._queue.abort()
                raise

    def _write(self, sink: Sink, item: Item) -> None:
        began = monotonic()
        try:
            sink.write(item.frame)
        except InputError as error:
            # Only this frame is at fault, as when its picture does not decode.
            if self.meter.fail(error.at(self.stage)):
                told = str(error)  # whoever keeps what is logged would keep the frame with the error
                log.warning("frame %d of '%s' cannot be written: %s", item.frame.sequence, item.frame.stream, told)
        except BaseException:
            item.abandon()
            raise
        else:
            self.meter.out += 1
            self.meter.bytes += item.frame.size
        ended = monotonic()
        self.meter.worked(ended - began)
        self.meter.end_to_end.record(self._age(item, ended))

    def _age(self, item: Item, now: float) -> float:
        """Seconds since the frame was taken (live), or since it was read."""
        if item.origin.live:
            return max(now_ns() - item.frame.time_ns, 0) / 1e9
        return now - item.entered
