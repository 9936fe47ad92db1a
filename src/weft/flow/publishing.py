"""Pipelines that the command line makes: one source that is published, a recording, one function of a site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from weft.core.errors import DocumentError, UsageError
from weft.core.once import Once
from weft.core.protocols import Function, Handler
from weft.flow.functions import FunctionOptions, load_function
from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
from weft.flow.pipeline import Pipeline
from weft.flow.recording_source import RecordingSource
from weft.flow.site import Site, no_site
from weft.flow.stream_sink import StreamSink
from weft.flow.stream_source import StreamSource
from weft.stream.base import Consumer, Group, PublishOptions
from weft.stream.names import GLOBAL, check_patterns, key_of
from weft.stream.recording import RecordingReader

QUEUE = 8
PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Observing:
    """How a function takes part in a site.

    Attributes:
        observe: names and patterns of the streams it takes.
        emit: the streams it emits to, the default one first.
        queue: frames that may wait for it.
        replicas: how many work at once.
        on_error: what happens to frames it fails on.
        group: whom it shares the streams' load with.
        consumer: who it is, where it goes on where it was in durable streams.
    """

    observe: tuple[str, ...]
    emit: tuple[str, ...]
    queue: int = QUEUE
    replicas: int = 1
    on_error: OnError = field(default_factory=OnError)
    group: Group | None = None
    consumer: Consumer | None = None


def publishing(kind: str, written: Mapping[str, Any], stream: str, options: PublishOptions) -> Pipeline:
    """One source of a pipeline's document, published as ``stream``. Its frames' source is called after the stream.

    Raises UsageError for options that are wrong.
    """
    from weft.flow.build import build
    from weft.spec.pipeline import pipeline_from
    from weft.spec.sources import PLACES

    key_of(stream, GLOBAL)
    name = stream.replace("/", ".").lstrip("-.") or kind
    document = {
        "name": name,
        "sources": {name: {"type": kind, "stream": stream, **written}},
        "sinks": {PUBLISH: {"type": "stream", "inputs": [stream], **_promises(options)}},
    }
    try:
        return build(pipeline_from(document, check_files=True))
    except DocumentError as error:
        told = [f"{_option(problem.path, name, PLACES)}: {problem.message}" for problem in error.problems]
        cures = " ".join(problem.cure for problem in error.problems)
        raise UsageError("; ".join(dict.fromkeys(told)), cure=cures) from error


def replaying(path: Path, streams: Sequence[str], speed: float, options: PublishOptions, *, loop: bool) -> Pipeline:
    """A recording, published.

    Raises UsageError for a speed or pattern that is none, NotFoundError or InputError for a file that is no recording.
    """
    check_patterns(streams)
    if not 0 <= speed <= 1000:
        raise UsageError(f"--speed {speed:g}", cure="from 0, which is as fast as it goes, to 1000")
    RecordingReader(path).close()  # said before a link is waited for, which may take for ever
    site = Site(no_site)
    source = SourceNode(
        name="recording",
        open=lambda: RecordingSource(path, streams=streams, speed=speed, loop=loop),
        patterns=tuple(streams),
    )
    sink = SinkNode(name=PUBLISH, open=lambda: StreamSink(site.streams(), options), inputs=("**",))
    return Pipeline(sources=[source], sinks=[sink], name=path.name, site=site)


def observing(path: Path, function: FunctionOptions, how: Observing, options: PublishOptions) -> Pipeline:
    """A function that takes streams of a site and publishes what it emits. What it emits it never takes itself.

    Raises UsageError for streams that are none.
    """
    check_patterns(how.observe)
    site = Site(no_site)
    named = replace(function, outputs=how.emit)

    @Once
    def shared() -> Function:
        return load_function(path, named)

    def open_handler() -> Handler:
        return shared().instance()

    name = function.name or path.stem
    source = SourceNode(
        name="observe",
        open=lambda: StreamSource(
            site.streams(),
            how.observe,
            queue=how.queue,
            consumer=how.consumer,
            group=how.group,
            without=how.emit,
        ),
        patterns=how.observe,
    )
    node = FunctionNode(
        name=name,
        open=open_handler,
        inputs=how.observe,
        outputs=how.emit,
        replicas=how.replicas,
        queue_size=max(1, how.replicas),
        on_error=how.on_error,
    )
    sink = SinkNode(name=PUBLISH, open=lambda: StreamSink(site.streams(), options, node.emits), inputs=node.emits)
    return Pipeline(sources=[source], functions=[node], sinks=[sink], name=name, site=site)


def _promises(options: PublishOptions) -> dict[str, Any]:
    spool = options.spool
    kept = {"size": spool.max_bytes, "age": spool.max_age_s, "full": spool.when_full, "sync": spool.sync}
    return {
        "delivery": options.delivery,
        "latest": options.latest,
        "scope": options.scope,
        "keep": options.keep,
        "spool": kept if spool.folder is None else {**kept, "path": str(spool.folder)},
    }


def _option(path: str, name: str, places: Sequence[str]) -> str:
    """Where a mistake stands, as the command line calls it."""
    key = path.removeprefix(f"sources.{name}").lstrip(".")
    if key in places:
        return key.upper()
    return f"--{key.replace('_', '-')}" if key and key != path else key or "it"
