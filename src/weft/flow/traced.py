"""A pipeline whose frames are traced: the same graph, with a shell around each source, handler and sink.

Without tracing there is no shell, so that it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weft.core.clock import now_ns
from weft.core.frame import Frame
from weft.core.protocols import Handler, Sink, Source, StartedHandler, StoppableHandler, WatchedSource
from weft.core.traceparent import read
from weft.flow.graph import Graph, SinkNode, SourceNode

if TYPE_CHECKING:
    from weft.flow.spans import Spans


class Tracing:
    """The shells of one pipeline."""

    def __init__(self, spans: Spans, pipeline: str) -> None:
        self._spans = spans
        self._pipeline = pipeline

    def graph(self, graph: Graph) -> Graph:
        """The same graph, traced."""
        return Graph(
            tuple(map(self._source, graph.sources)),
            tuple(replace(node, open=self.handler(node.name, node.open)) for node in graph.functions),
            tuple(map(self._sink, graph.sinks)),
        )

    def handler(self, stage: str, make: Callable[[], Handler]) -> Callable[[], Handler]:
        """What makes a function's handler, traced."""
        about = self._about("function")
        return lambda: _Handler(make(), stage, self._spans, about)

    def _source(self, node: SourceNode) -> SourceNode:
        about = self._about("source")

        def open_source() -> Source:
            source = node.open()
            shell = _WatchedSource if isinstance(source, WatchedSource) else _Source
            return shell(source, node.name, self._spans, about)

        return replace(node, open=open_source)

    def _sink(self, node: SinkNode) -> SinkNode:
        about = self._about("sink")
        return replace(node, open=lambda: _Sink(node.open(), node.name, self._spans, about))

    def _about(self, kind: str) -> dict[str, str]:
        return {"weft.pipeline": self._pipeline, "weft.kind": kind}


class _Shell:
    """What all shells share. Whatever is not the shell's own business is asked of what is inside."""

    def __init__(self, inner: Any, stage: str, spans: Spans, about: Mapping[str, str]) -> None:
        self._inner = inner
        self._stage = stage
        self._spans = spans
        self._about = about

    def close(self) -> None:
        """Close what is inside."""
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Source(_Shell):
    _inner: Source

    @property
    def live(self) -> bool:
        """As inside."""
        return self._inner.live

    @property
    def length(self) -> int | None:
        """As inside."""
        return self._inner.length

    def frames(self) -> Iterator[Frame]:
        """The frames, marked where their trace is recorded."""
        frames = self._inner.frames()
        try:
            began = now_ns()
            for frame in frames:
                # Of a live source, only what came after the frame was there: before, nothing was done.
                start = min(max(began, frame.time_ns), now_ns()) if self._inner.live else began
                self._spans.enter(frame, self._stage, start, self._about)
                yield frame
                began = now_ns()
        finally:
            if isinstance(frames, Generator):
                frames.close()


class _WatchedSource(_Source):
    _inner: WatchedSource

    @property
    def state(self) -> str:
        """As inside."""
        return self._inner.state

    @property
    def trouble(self) -> str:
        """As inside."""
        return self._inner.trouble


class _Handler(_Shell):
    _inner: Handler

    def start(self) -> None:
        """Start what is inside, if it can be."""
        if isinstance(self._inner, StartedHandler):
            self._inner.start()

    def stop(self) -> None:
        """Stop what is inside, if it can be."""
        if isinstance(self._inner, StoppableHandler):
            self._inner.stop()

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What the function emits, marked with the function's span where the trace is recorded."""
        parent = read(frame.headers)
        if parent is None or not parent.sampled:
            return self._inner.handle(frame)
        from weft.flow.spans import mark

        with self._spans.stage(self._stage, frame, parent, self._about) as span:
            # One handed through as it came belongs to others, too.
            emitted = [copy(out) if out is frame else out for out in self._inner.handle(frame)]
            span.set_attribute("weft.emitted", len(emitted))
        for out in emitted:
            mark(out, span)
        return emitted


class _Sink(_Shell):
    _inner: Sink

    def write(self, frame: Frame) -> None:
        """Write the frame."""
        parent = read(frame.headers)
        if parent is None or not parent.sampled:
            self._inner.write(frame)
            return
        with self._spans.stage(self._stage, frame, parent, self._about, title=f"sink {self._stage}"):
            self._inner.write(frame)
