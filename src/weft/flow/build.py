"""From a pipeline's document to its nodes: sources and sinks by type, functions by module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.core import resources
from weft.core.once import Once
from weft.core.protocols import Handler, Sink, Source
from weft.flow.functions import FunctionOptions, ModelGrant, load_function
from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
from weft.flow.pipeline import Pipeline
from weft.flow.wiring import WINDOW_PER_REPLICA
from weft.media.registry import SINKS, SOURCES

if TYPE_CHECKING:
    from weft.spec.endpoints import Queue
    from weft.spec.endpoints import Source as SourceSpec
    from weft.spec.function import FunctionSpec
    from weft.spec.pipeline import PipelineSpec

STANDARD_STREAM = "-"
WAITING_PICTURES = 64

# What a document says of a source or sink that is the pipeline's business, not its own.
_OURS = {"type", "stream", "queue", "inputs"}


def build(spec: PipelineSpec) -> Pipeline:
    """The pipeline a document describes. Nothing is opened or loaded until it runs.

    Raises UsageError for a type of source or sink nobody has.
    """
    return Pipeline(
        sources=[_source(spec, name) for name in spec.sources],
        functions=[_function(spec, name) for name in spec.functions],
        sinks=[_sink(spec, name) for name in spec.sinks],
        name=spec.name,
    )


def _source(spec: PipelineSpec, name: str) -> SourceNode:
    source = spec.sources[name]
    make = SOURCES[source.type]
    options = _options(spec, source.model_dump())

    def open_source() -> Source:
        return make(**options)

    queue = _entry(source)
    if queue is None:
        return SourceNode(name=name, open=open_source, stream=source.stream or "")
    return SourceNode(
        name=name,
        open=open_source,
        stream=source.stream or "",
        queue_size=queue.size,
        overflow=queue.overflow,
    )


def _entry(source: SourceSpec) -> Queue | None:
    """The queue of a live source; None for a file, which waits instead."""
    from weft.spec.endpoints import CameraSource, LiveQueue, PatternSource

    if isinstance(source, CameraSource):
        return source.queue
    if isinstance(source, PatternSource) and source.realtime:
        return source.queue or LiveQueue()
    return None


def _function(spec: PipelineSpec, name: str) -> FunctionNode:
    function = spec.functions[name]
    shared = Once(lambda: load_function(resources.module(function.wasm, spec.folder), _function_options(spec, name)))

    def open_handler() -> Handler:
        handler = shared().instance()
        handler.start()
        return handler

    return FunctionNode(
        name=name,
        open=open_handler,
        inputs=spec.function_inputs(name),
        outputs=function.outputs,
        replicas=function.replicas,
        queue_size=function.queue.size,
        overflow=function.queue.overflow,
        on_error=_on_error(function),
    )


def _function_options(spec: PipelineSpec, name: str) -> FunctionOptions:
    function = spec.functions[name]
    models = {known: ModelGrant(spec.resolve(use.path), use.options()) for known, use in function.models.items()}
    return FunctionOptions(
        name=name,
        abi=function.abi,
        models=models,
        grants=function.grants.grants(spec.folder),
        limits=function.limits.limits(),
        config=function.config,
        args=function.args,
        outputs=function.outputs or (name,),
        policy=function.instance,
        folder=spec.folder,
    )


def _on_error(function: FunctionSpec) -> OnError:
    policy = function.on_error
    return OnError(policy.action, retries=policy.retry, stream=policy.target or "")


def _sink(spec: PipelineSpec, name: str) -> SinkNode:
    sink = spec.sinks[name]
    make = SINKS[sink.type]
    options = _options(spec, sink.model_dump())
    if sink.type == "video":
        options |= _joining(spec, name)

    def open_sink() -> Sink:
        return make(**options)

    return SinkNode(
        name=name,
        open=open_sink,
        inputs=spec.sink_inputs(name),
        queue_size=sink.queue.size,
        overflow=sink.queue.overflow,
    )


def _options(spec: PipelineSpec, written: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a source or sink, its file relative to the document's folder."""
    options = {key: value for key, value in written.items() if key not in _OURS and value is not None}
    path = options.get("path", STANDARD_STREAM)
    if path != STANDARD_STREAM and "://" not in path:
        options["path"] = spec.resolve(path)
    return options


def _joining(spec: PipelineSpec, name: str) -> dict[str, Any]:
    """What a video sink must know to bring results to their pictures: their streams, and how far they may lag.

    Where pictures come straight from a source, what functions emit are results. The pictures run ahead by what the
    functions before the sink can hold.
    """
    inputs = spec.sink_inputs(name)
    pictures = {source.stream or known for known, source in spec.sources.items()}
    results = [stream for stream in inputs if stream not in pictures]
    held = sum(_held(function) for function in spec.functions.values())
    return {"results": results if len(results) < len(inputs) else [], "buffer": WAITING_PICTURES + held}


def _held(function: FunctionSpec) -> int:
    working = WINDOW_PER_REPLICA * function.replicas if function.replicas > 1 else 1
    return function.queue.size + working
