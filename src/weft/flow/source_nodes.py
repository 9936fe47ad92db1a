"""The sources of a document as a pipeline's nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.core.protocols import Source
from weft.flow.endpoint_options import endpoint_options
from weft.flow.graph import SourceNode
from weft.flow.paced import Paced
from weft.flow.site import Site
from weft.flow.stream_source import StreamSource
from weft.media.registry import SOURCES
from weft.stream.base import Consumer, Group

if TYPE_CHECKING:
    from weft.spec.endpoints import Queue
    from weft.spec.endpoints import RecordingSource as RecordingSourceSpec
    from weft.spec.endpoints import Source as SourceSpec
    from weft.spec.endpoints import StreamSource as StreamSourceSpec
    from weft.spec.pipeline import PipelineSpec


def source_node(spec: PipelineSpec, name: str, site: Site) -> SourceNode:
    """One source, by its type. Raises UsageError for a type nobody has."""
    source = spec.sources[name]
    if source.type == "stream":
        return _stream_source(spec, name, source, site)
    if source.type == "recording":
        return _recording(spec, name, source)
    make = SOURCES[source.type]
    options = endpoint_options(spec, source.model_dump())
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
    from weft.spec.endpoints import CameraSource, HttpSource, LiveQueue, MqttSource, PatternSource

    if isinstance(source, CameraSource | MqttSource | HttpSource):
        return source.queue
    if isinstance(source, PatternSource) and source.realtime:
        return source.queue or LiveQueue()
    return None
