"""The threads of a source: one reads it, and for a camera another one hands its frames on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from threading import Thread
from typing import Protocol, runtime_checkable

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.core.protocols import Source, WatchedSource
from weft.flow.control import Control
from weft.flow.faults import log
from weft.flow.graph import SourceNode
from weft.flow.items import Item, Origin, Receipt
from weft.flow.queues import FrameQueue
from weft.flow.routes import Routes
from weft.flow.thread import StageThread


class Naming(Protocol):
    """How the frames of a source are called."""

    def name(self, frame: Frame) -> Origin:
        """Give the frame its stream and source; what its order is kept by."""


class OneStream:
    """All frames of a source belong to one stream and are called after the source."""

    def __init__(self, source: str, stream: str, *, live: bool) -> None:
        self._source = source
        self._stream = stream
        self._origin = Origin(source, live)

    def name(self, frame: Frame) -> Origin:
        """Call it after the source."""
        frame.stream, frame.source = self._stream, self._source
        return self._origin


class ManyStreams:
    """Frames keep the stream and the source they come with, and each of these is in an order of its own."""

    def __init__(self, *, live: bool) -> None:
        self._live = live

    def name(self, frame: Frame) -> Origin:
        """Only a frame without a source is called after its stream."""
        frame.source = frame.source or frame.stream
        return Origin(f"{frame.stream} of {frame.source}", self._live)


def naming_of(node: SourceNode, *, live: bool) -> Naming:
    """How the frames of a node are called."""
    return ManyStreams(live=live) if node.patterns else OneStream(node.name, node.emits[0], live=live)


@runtime_checkable
class ConfirmedSource(Source, Protocol):
    """A source that wants to know when its frames are done."""

    def receipt(self) -> Receipt | None:
        """That of the frame it gave last. Called once for each, before the next is asked for."""


def _receipts(source: Source) -> Callable[[], Receipt | None]:
    return source.receipt if isinstance(source, ConfirmedSource) else lambda: None


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
            self.using(source)
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

    @property
    def standing(self) -> tuple[str, str]:
        """The state of a source that may die, and its trouble; both empty for others. From any thread."""
        source = self.source
        return (source.state, source.trouble) if isinstance(source, WatchedSource) else ("", "")

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
            self._pump(frames, naming_of(self._node, live=source.live), _receipts(source))
        except Exception:
            # What a source raises because it was closed under its reader is no news.
            if not self._control.stopping:
                raise
        finally:
            if isinstance(frames, Generator):
                frames.close()

    def _pump(self, frames: Iterator[Frame], naming: Naming, receipt: Callable[[], Receipt | None]) -> None:
        own = None if self._queue is None else (self._queue,)
        meter = self.meter
        began = monotonic()
        for frame in frames:
            entered = monotonic()
            meter.worked(entered - began)
            item = Item(frame, naming.name(frame), entered, receipt())
            for queue in own or self._routes.to(frame.stream):
                queue.put(item)
            del item
            meter.out += 1
            meter.bytes += frame.size
            if self._control.stopping:
                return
            began = monotonic()


class DispatchThread(StageThread):
    """Hands on what waits in the queue of a source, so that reading a camera never waits for a function."""

    def __init__(self, node: SourceNode, control: Control, routes: Routes, queue: FrameQueue) -> None:
        super().__init__(node.name, 1, control)
        self._routes = routes
        self._queue = queue

    def work(self) -> None:
        """Take and put until the source has ended."""
        self.ready()
        while (item := self._queue.get()) is not None:
            for queue in self._routes.to(item.frame.stream):
                queue.put(item)
            self.meter.out += 1
            self.meter.bytes += item.frame.size
            del item
