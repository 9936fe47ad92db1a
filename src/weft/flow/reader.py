"""The threads of a source: one reads it, and for a camera another one hands its frames on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from threading import Thread

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.core.protocols import Source
from weft.flow.control import Control
from weft.flow.faults import log
from weft.flow.graph import SourceNode
from weft.flow.items import Item, Origin
from weft.flow.queues import FrameQueue
from weft.flow.routes import Routes
from weft.flow.thread import StageThread


class SourceThread(StageThread):
    """Reads one source and hands its frames on: to its own queue if it has one, else to those who take them."""

    def __init__(self, node: SourceNode, control: Control, routes: Routes, queue: FrameQueue | None) -> None:
        super().__init__(node.name, 0, control)
        self.source: Source | None = None
        self.length: int | None = None
        self._node = node
        self._routes = routes
        self._queue = queue

    def work(self) -> None:
        """Open the source, wait for everyone else, read it to its end."""
        try:
            source = self.source = self._node.open()
            with self.closing(source):
                self.length = source.length
                self.ready()
                self._control.go.wait()
                if not self._control.stopping:
                    self._read(source)
        finally:
            self.keep_counters(self.source)
            if self._queue is not None:
                self._queue.close()

    def close_early(self) -> None:
        """End a read that waits for a camera; called by the supervisor when the pipeline stops."""
        if self.source is not None:
            Thread(target=self._close_source, args=(self.source,), name=f"{self.name}:close", daemon=True).start()

    def _close_source(self, source: Source) -> None:
        try:
            source.close()
        except Exception as error:  # noqa: BLE001 - foreign code; the source's own thread closes it again
            log.debug("closing source '%s' early: %s", self.stage, error)

    def _read(self, source: Source) -> None:
        frames = source.frames()
        try:
            self._pump(frames, Origin(self.stage, source.live))
        except Exception:
            # What a source raises because it was closed under its reader is no news.
            if not self._control.stopping:
                raise
        finally:
            if isinstance(frames, Generator):
                frames.close()

    def _pump(self, frames: Iterator[Frame], origin: Origin) -> None:
        (stream,) = self._node.emits
        queues = self._routes.to(stream) if self._queue is None else (self._queue,)
        meter = self.meter
        began = monotonic()
        for frame in frames:
            entered = monotonic()
            meter.worked(entered - began)
            frame.stream, frame.source = stream, self.stage
            item = Item(frame, origin, entered)
            for queue in queues:
                queue.put(item)
            meter.out += 1
            if self._control.stopping:
                return
            began = monotonic()


class DispatchThread(StageThread):
    """Hands on what waits in the queue of a source, so that reading a camera never waits for a function."""

    def __init__(self, node: SourceNode, control: Control, routes: Routes, queue: FrameQueue) -> None:
        super().__init__(node.name, 1, control)
        self._queues = routes.to(*node.emits)
        self._queue = queue

    def work(self) -> None:
        """Take and put until the source has ended."""
        self.ready()
        while (item := self._queue.get()) is not None:
            for queue in self._queues:
                queue.put(item)
            self.meter.out += 1
