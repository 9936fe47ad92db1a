"""The sinks of a document as a pipeline's nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weft.core.protocols import Sink
from weft.core.streams import overlap
from weft.flow.endpoint_options import endpoint_options, spool_options
from weft.flow.graph import SinkNode
from weft.flow.site import Site
from weft.flow.stream_sink import StreamSink
from weft.flow.wiring import WINDOW_PER_REPLICA
from weft.media.registry import SINKS
from weft.stream.base import PublishOptions

if TYPE_CHECKING:
    from weft.spec.endpoints import StreamSink as StreamSinkSpec
    from weft.spec.function import FunctionSpec
    from weft.spec.pipeline import PipelineSpec

WAITING_PICTURES = 64


def sink_node(spec: PipelineSpec, name: str, site: Site) -> SinkNode:
    """One sink, by its type. Raises UsageError for a type nobody has."""
    sink = spec.sinks[name]
    return SinkNode(
        name=name,
        open=_stream_sink(spec, sink, site) if sink.type == "stream" else _sink_maker(spec, name),
        inputs=spec.sink_inputs(name),
        queue_size=sink.queue.size,
        overflow=sink.queue.overflow,
    )


def _stream_sink(spec: PipelineSpec, sink: StreamSinkSpec, site: Site) -> Callable[[], Sink]:
    spool = spool_options(spec, sink.spool)
    options = PublishOptions(sink.delivery, sink.latest, sink.scope, sink.keep, spool=spool)
    return lambda: StreamSink(site.streams(), options, sink.inputs)


def _sink_maker(spec: PipelineSpec, name: str) -> Callable[[], Sink]:
    sink = spec.sinks[name]
    make = SINKS[sink.type]
    options = endpoint_options(spec, sink.model_dump())
    if sink.type == "video":
        options |= joining_options(spec, name)

    def open_sink() -> Sink:
        return make(**options)

    return open_sink


def joining_options(spec: PipelineSpec, name: str) -> dict[str, Any]:
    """What a video sink must know to bring results to their pictures: their streams, and how far they may lag.

    Where pictures come straight from a source, what functions emit are results. The pictures run ahead by what the
    functions before the sink can hold.
    """
    inputs = spec.sink_inputs(name)
    pictures = [stream for stage in spec.graph.stages if stage.kind == "sources" for stream in stage.emits]
    pictures += spec.graph.foreign
    results = [stream for stream in inputs if not any(overlap(stream, shown) for shown in pictures)]
    held = sum(_held(function) for function in spec.functions.values())
    return {"results": results if len(results) < len(inputs) else [], "buffer": WAITING_PICTURES + held}


def _held(function: FunctionSpec) -> int:
    working = WINDOW_PER_REPLICA * function.replicas if function.replicas > 1 else 1
    return function.queue.size + working
