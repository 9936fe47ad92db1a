"""The threads of a pipeline: each makes its source, handler or sink, uses it, and closes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Protocol

from weft.core.clock import monotonic, now_ns
from weft.core.errors import GuestError, InputError, WeftError
from weft.core.frame import Frame
from weft.core.protocols import Handler, Sink, Source
from weft.flow.control import Control, Failed, Finished, Ready
from weft.flow.faults import error_frame, log, stopped_by, unexpected
from weft.flow.graph import FunctionNode, SinkNode, SourceNode
from weft.flow.items import Item, Origin
from weft.flow.order import Lane
from weft.flow.queues import FrameQueue
from weft.flow.routes import Routes
from weft.flow.stats import Meter


class _Closes(Protocol):
    def close(self) -> None: ...


class StageThread(Thread, ABC):
    """One thread of a stage. Whatever is raised on it is reported to the supervisor and ends the pipeline.

    It is a daemon: a stage that hangs for ever in foreign code must not keep the process alive.
    """

    def __init__(self, stage: str, replica: int, control: Control) -> None:
        super().__init__(name=f"weft:{stage}#{replica}", daemon=True)
        self.stage = stage
        self.meter = Meter()
        self._control = control

    def run(self) -> None:
        """Work, contain what is raised, and always say when it is over."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - sources, handlers and sinks are foreign code
            self.fail(error)
        finally:
            self._control.post(Finished(self))

    @abstractmethod
    def work(self) -> None:
        """Make the thing, use it to the end, close it."""

    def ready(self) -> None:
        """Tell the supervisor that the thing is made."""
        self._control.post(Ready(self))

    def fail(self, error: BaseException) -> None:
        """Tell the supervisor that the pipeline must end."""
        self._control.post(Failed(unexpected(error, where=self.stage)))

    @contextmanager
    def closing(self, thing: _Closes) -> Iterator[None]:
        """Close ``thing`` in the end. An error in the body is reported first: finishing a file may take a while."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - as in run
            self.fail(error)
        finally:
            thing.close()


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
            frame.stream = stream
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
            log.warning("frame %d of '%s' failed: %s", frame.sequence, frame.stream, error)
        if policy.action == "fail":
            self.fail(stopped_by(frame, error, function=self.stage))
        if policy.action == "stream":
            return (error_frame(frame, error, function=self.stage, stream=policy.stream),)
        return ()


class SinkThread(StageThread):
    """Writes to one sink, and closes it whatever happens."""

    def __init__(self, node: SinkNode, control: Control, queue: FrameQueue) -> None:
        super().__init__(node.name, 0, control)
        self._node = node
        self._queue = queue

    def work(self) -> None:
        """Make the sink, write until there are no more frames, finish it."""
        sink = self._node.open()
        with self.closing(sink):
            self.ready()
            try:
                while (item := self._queue.get()) is not None:
                    self._write(sink, item)
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
                log.warning("frame %d of '%s' cannot be written: %s", item.frame.sequence, item.frame.stream, error)
        else:
            self.meter.out += 1
        ended = monotonic()
        self.meter.worked(ended - began)
        self.meter.end_to_end.record(self._age(item, ended))

    def _age(self, item: Item, now: float) -> float:
        """Seconds since the frame was taken (live), or since it was read."""
        if item.origin.live:
            return max(now_ns() - item.frame.time_ns, 0) / 1e9
        return now - item.entered
