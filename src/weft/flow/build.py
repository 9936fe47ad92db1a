"""From a pipeline's document to its nodes: sources and sinks by type, functions by module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.core import resources
from weft.core.address import camera_address
from weft.core.once import Once
from weft.core.protocols import Function, Handler, Sink, Source
from weft.core.streams import matches_any, overlap
from weft.flow.functions import FunctionOptions, ModelGrant, load_function
from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
from weft.flow.paced import Paced
from weft.flow.pipeline import Pipeline
from weft.flow.site import Site, no_site
from weft.flow.state_place import default_path
from weft.flow.stream_sink import StreamSink
from weft.flow.stream_source import StreamSource
from weft.flow.wiring import WINDOW_PER_REPLICA
from weft.media.registry import SINKS, SOURCES
from weft.stream.base import Consumer, Group, PublishOptions, SpoolOptions
from weft.stream.joining import Joining

if TYPE_CHECKING:
    from weft.spec.delivery import SpoolUse
    from weft.spec.endpoints import Queue
    from weft.spec.endpoints import RecordingSource as RecordingSourceSpec
    from weft.spec.endpoints import Source as SourceSpec
    from weft.spec.endpoints import StreamSink as StreamSinkSpec
    from weft.spec.endpoints import StreamSource as StreamSourceSpec
    from weft.spec.function import FunctionSpec
    from weft.spec.pipeline import PipelineSpec
    from weft.wasm.trace import HostTrace

STANDARD_STREAM = "-"
WAITING_PICTURES = 64

# What a document says of a source or sink that is the pipeline's business, not its own.
_OURS = {"type", "stream", "queue", "inputs"}

FROM_SITE = "site:in"
TO_SITE = "site:out"
"""The stages that a document which joins a site has beside its own. No stage of a document can be called so."""
SITE_QUEUE = 64


def build(spec: PipelineSpec, trace: HostTrace | None = None) -> Pipeline:
    """The pipeline a document describes; ``trace`` is told its functions' calls of the host.

    Nothing is opened or loaded until it runs.

    Raises UsageError for a type of source or sink nobody has.
    """
    site = _site(spec)
    return Pipeline(
        sources=[*(_source(spec, name, site) for name in spec.sources), *_from_site(spec, site)],
        functions=[_function(spec, name, trace) for name in spec.functions],
        sinks=[*(_sink(spec, name, site) for name in spec.sinks), *_to_site(spec, site)],
        name=spec.name,
        site=site,
    )


def open_function(spec: PipelineSpec, name: str) -> Callable[[], Handler]:
    """What opens one function of a document, read anew from its files: for :meth:`weft.flow.executor.Run.swap`."""
    return _function(spec, name, None).open


def _site(spec: PipelineSpec) -> Site:
    use = spec.streams
    if use is None:
        return Site(no_site)
    cert = None if use.cert is None else spec.resolve(use.cert)
    access = None if use.access is None else spec.resolve(use.access)
    joining = Joining(use.connect, use.listen, use.site, cert, access=access)
    return Site(joining.open, joining)


def _from_site(spec: PipelineSpec, site: Site) -> list[SourceNode]:
    """What nobody in the document emits."""
    wanted = spec.graph.foreign if spec.streams is not None else ()
    if not wanted:
        return []
    return [SourceNode(name=FROM_SITE, open=lambda: StreamSource(site.streams(), wanted), patterns=wanted)]


def _to_site(spec: PipelineSpec, site: Site) -> list[SinkNode]:
    """What the document emits, as far as it is shared, and no sink of its own publishes it."""
    use = spec.streams
    if use is None:
        return []
    published = [name for name, sink in spec.sinks.items() if sink.type == "stream"]
    taken = [stream for name in published for stream in spec.sink_inputs(name)]
    shared = tuple(
        stream
        for stream in spec.graph.names
        if (use.share is None or matches_any(use.share, stream)) and not matches_any(taken, stream)
    )
    if not shared:
        return []
    options = PublishOptions(use.delivery, use.latest, use.scope, spool=_spool(spec, use.spool))
    return [
        SinkNode(
            name=TO_SITE,
            open=lambda: StreamSink(site.streams(), options, shared),
            inputs=shared,
            queue_size=SITE_QUEUE,
            overflow="drop_oldest",
        )
    ]


def _source(spec: PipelineSpec, name: str, site: Site) -> SourceNode:
    source = spec.sources[name]
    if source.type == "stream":
        return _stream_source(spec, name, source, site)
    if source.type == "recording":
        return _recording(spec, name, source)
    make = SOURCES[source.type]
    options = _options(spec, source.model_dump())
    paced = source.type == "video" and options.pop("realtime")

    def open_source() -> Source:
        return Paced(make(**options)) if paced else make(**options)

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


def _stream_source(spec: PipelineSpec, name: str, source: StreamSourceSpec, site: Site) -> SourceNode:
    consumer = None if source.as_ is None else Consumer(source.as_, source.from_start)
    group = None if source.group is None else Group(source.group, source.by)

    def open_source() -> Source:
        return StreamSource(
            site.streams(),
            (source.pattern,),
            queue=source.queue.size,
            latest=source.latest,
            consumer=consumer,
            group=group,
            limit=source.limit,
            without=spec.graph.names,
        )

    return SourceNode(name=name, open=open_source, patterns=(source.pattern,))


def _recording(spec: PipelineSpec, name: str, source: RecordingSourceSpec) -> SourceNode:
    def open_source() -> Source:
        from weft.flow.recording_source import RecordingSource

        return RecordingSource(
            spec.resolve(source.path),
            streams=source.streams,
            speed=source.speed,
            loop=source.loop,
            limit=source.limit,
            without=spec.graph.names,
        )

    return SourceNode(name=name, open=open_source, patterns=source.streams)


def _entry(source: SourceSpec) -> Queue | None:
    """The queue of a live source; None for a file, which waits instead."""
    from weft.spec.endpoints import CameraSource, LiveQueue, PatternSource

    if isinstance(source, CameraSource):
        return source.queue
    if isinstance(source, PatternSource) and source.realtime:
        return source.queue or LiveQueue()
    return None


def _function(spec: PipelineSpec, name: str, trace: HostTrace | None) -> FunctionNode:
    function = spec.functions[name]

    @Once
    def shared() -> Function:
        module = resources.module(function.file, spec.folder)
        return load_function(module, function_options(spec, name, trace))

    def open_handler() -> Handler:
        return shared().instance()

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


def function_options(spec: PipelineSpec, name: str, trace: HostTrace | None = None) -> FunctionOptions:
    """All that a document says of one of its functions besides its module, as :func:`load_function` takes it."""
    function = spec.functions[name]
    models = {known: ModelGrant(spec.resolve(use.path), use.options()) for known, use in function.models.items()}
    return FunctionOptions(
        name=name,
        abi=function.abi,
        models=models,
        grants=function.grants.grants(spec.folder, state_path(spec, name)),
        limits=function.limits.limits(),
        config=function.config,
        args=function.args,
        outputs=function.outputs or (name,),
        policy=function.instance,
        folder=spec.folder,
        trace=trace,
    )


def state_path(spec: PipelineSpec, name: str) -> Path:
    """Where a function keeps its state unless the document says. Raises UnavailableError without a home directory."""
    if spec.functions[name].grants.state is None:
        return Path()
    return default_path(spec.name if "name" in spec.model_fields_set else None, spec.folder, name)


def _on_error(function: FunctionSpec) -> OnError:
    policy = function.on_error
    return OnError(policy.action, retries=policy.retry, stream=policy.target or "")


def _sink(spec: PipelineSpec, name: str, site: Site) -> SinkNode:
    sink = spec.sinks[name]
    return SinkNode(
        name=name,
        open=_stream_sink(spec, sink, site) if sink.type == "stream" else _sink_maker(spec, name),
        inputs=spec.sink_inputs(name),
        queue_size=sink.queue.size,
        overflow=sink.queue.overflow,
    )


def _stream_sink(spec: PipelineSpec, sink: StreamSinkSpec, site: Site) -> Callable[[], Sink]:
    spool = _spool(spec, sink.spool)
    options = PublishOptions(sink.delivery, sink.latest, sink.scope, sink.keep, spool=spool)
    return lambda: StreamSink(site.streams(), options, sink.inputs)


def _spool(spec: PipelineSpec, use: SpoolUse) -> SpoolOptions:
    folder = None if use.path is None else spec.resolve(use.path)
    return SpoolOptions(folder, use.size, use.age, use.full, use.sync)


def _sink_maker(spec: PipelineSpec, name: str) -> Callable[[], Sink]:
    sink = spec.sinks[name]
    make = SINKS[sink.type]
    options = _options(spec, sink.model_dump())
    if sink.type == "video":
        options |= _joining(spec, name)

    def open_sink() -> Sink:
        return make(**options)

    return open_sink


def _options(spec: PipelineSpec, written: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a source or sink, its file relative to the document's folder."""
    options = {key: value for key, value in written.items() if key not in _OURS and value is not None}
    path = options.get("path", STANDARD_STREAM)
    if path != STANDARD_STREAM and "://" not in path:
        options["path"] = spec.resolve(path)
    if "device" in options and camera_address(options["device"]).kind == "file":
        options["device"] = spec.resolve(options["device"])
    return options


def _joining(spec: PipelineSpec, name: str) -> dict[str, Any]:
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
