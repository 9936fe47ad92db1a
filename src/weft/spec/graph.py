"""The shape of a pipeline: who emits which stream, who reads it, in what order.

It is read from the document's plain data, leniently: what is written wrongly is left out here and reported
by validation, so that the checks across the document can run beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from weft.core.streams import matches, overlap
from weft.spec.endpoints import MAX_INPUTS
from weft.spec.function import MAX_OUTPUTS
from weft.spec.values import is_stream_name, is_stream_pattern

Kind = Literal["sources", "functions", "sinks"]
MAX_STAGES = 128
MANY = {"stream": "pattern", "recording": "streams"}
"""The types of sources that emit to streams others named, and the key that says which."""
LIVE = ("camera", "mqtt", "http")
"""The types of sources whose frames may always be dropped."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A source, function or sink and its streams.

    Attributes:
        kind: the section it stands in.
        name: its key.
        inputs: names and patterns, each with the index at which it is written.
        outputs: the streams it emits to.
        errors: the stream its error records go to.
        live: it is a source whose frames may be dropped.
        overflow: what its queue does when it is full.
        complete: False when its outputs are written wrongly and therefore unknown.
        type: what a source or sink says it is.
    """

    kind: Kind
    name: str
    inputs: tuple[tuple[int, str], ...] = ()
    outputs: tuple[str, ...] = ()
    errors: str | None = None
    live: bool = False
    overflow: str = "block"
    complete: bool = True
    type: str = ""

    @property
    def patterns(self) -> tuple[str, ...]:
        """What it emits to where that is no fixed name: a source of streams that others named."""
        return self.outputs if self.kind == "sources" and self.type in MANY else ()

    @property
    def path(self) -> tuple[str, str]:
        """Where it stands in the document."""
        return (self.kind, self.name)

    @property
    def emits(self) -> tuple[str, ...]:
        """All streams it emits to, the one for error records included."""
        return self.outputs if self.errors is None else (*self.outputs, self.errors)


class Graph:
    """Stages joined by streams.

    Attributes:
        producers: the stages by what they emit to: names, and the patterns of sources that emit to many.
        joined: what nobody here emits is taken from a site.
    """

    def __init__(self, stages: Sequence[Stage], *, joined: bool = False) -> None:
        self.stages = tuple(stages)
        self.joined = joined
        self.producers: dict[str, list[Stage]] = {}
        self._many = [stage for stage in stages if stage.patterns]
        for stage in stages:
            for stream in dict.fromkeys(stage.emits):
                self.producers.setdefault(stream, []).append(stage)
        self._reads = {stage: self._resolve(stage) for stage in stages}
        self._feeders = {stage: self._producers_of(stage, streams) for stage, streams in self._reads.items()}

    def reads(self, stage: Stage) -> tuple[str, ...]:
        """The streams a stage takes, its patterns resolved. A pattern never matches what the stage itself emits."""
        return self._reads[stage]

    def feeders(self, stage: Stage) -> tuple[Stage, ...]:
        """The stages whose streams it takes."""
        return self._feeders[stage]

    def sources(self, stage: Stage) -> list[Stage]:
        """The sources its frames come from, however far away."""
        seen = {stage: None}
        todo = [stage]
        while todo:
            new = [feeder for feeder in self.feeders(todo.pop()) if feeder not in seen]
            seen |= dict.fromkeys(new)
            todo += new
        return [found for found in seen if found.kind == "sources" and found is not stage]

    def readers(self, stream: str) -> list[Stage]:
        """The stages that take a stream."""
        return [stage for stage, streams in self._reads.items() if any(overlap(stream, read) for read in streams)]

    @property
    def names(self) -> tuple[str, ...]:
        """The streams that are emitted here under a fixed name."""
        return tuple(name for name, stages in self.producers.items() if not all(stage.patterns for stage in stages))

    @property
    def foreign(self) -> tuple[str, ...]:
        """The inputs, names and patterns, that nobody here emits."""
        written = (text for stage in self.stages for _, text in stage.inputs if not self.emitted(stage, text))
        return tuple(dict.fromkeys(written))

    def order(self) -> tuple[Stage, ...]:
        """All stages, every one after those that feed it. Raises graphlib.CycleError."""
        return tuple(TopologicalSorter(self._feeders).static_order())

    def cycle(self) -> tuple[Stage, ...]:
        """Stages that feed each other in a circle, the first repeated at the end; empty where there is none."""
        try:
            self.order()
        except CycleError as error:
            return tuple(error.args[1])
        return ()

    def matching(self, stage: Stage, written: str) -> list[str]:
        """The streams one input of a stage stands for; none where nobody emits such a stream.

        What others name, or may name, stays as it is written.
        """
        found = self.emitted(stage, written)
        return found or ([written] if self.joined else [])

    def emitted(self, stage: Stage, written: str) -> list[str]:
        """As :meth:`matching`, of what is emitted here."""
        if any(overlap(written, pattern) for many in self._many for pattern in many.patterns):
            return [written]
        if "*" not in written:
            return [written] if written in self.producers else []
        return [stream for stream in self.producers if matches(written, stream) and stream not in stage.emits]

    def _resolve(self, stage: Stage) -> tuple[str, ...]:
        found = (stream for _, written in stage.inputs for stream in self.matching(stage, written))
        return tuple(dict.fromkeys(found))

    def _producers_of(self, stage: Stage, streams: Sequence[str]) -> tuple[Stage, ...]:
        return tuple(dict.fromkeys(feeder for stream in streams for feeder in self._who_emits(stage, stream)))

    def _who_emits(self, reader: Stage, read: str) -> Iterator[Stage]:
        yield from self.producers.get(read, ())
        if "*" in read:
            yield from (s for s in self.stages if s is not reader and any(overlap(read, stream) for stream in s.emits))
        else:
            yield from (many for many in self._many if any(overlap(read, pattern) for pattern in many.patterns))


def graph_of(document: Mapping[str, Any]) -> Graph:
    """The graph of a document's plain data."""
    stages = [*_sources(document), *_functions(document), *_sinks(document)]
    return Graph(stages, joined=isinstance(document.get("streams"), Mapping))


def section(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The stages of one section by name, up to the bound; one that is no mapping counts as an empty one."""
    stages = document.get(kind)
    if isinstance(stages, Mapping):
        entries = list(stages.items())[:MAX_STAGES]
        yield from ((name, stage if isinstance(stage, Mapping) else {}) for name, stage in entries)


def _sources(document: Mapping[str, Any]) -> Iterator[Stage]:
    for name, stage in section(document, "sources"):
        if isinstance(stage.get("type"), str) and stage["type"] in MANY:
            yield _many(name, stage)
            continue
        stream = stage.get("stream")
        named = stream is None or _is_name(stream)
        live = stage.get("type") in LIVE or (stage.get("type") == "pattern" and stage.get("realtime") is True)
        default = "drop_oldest" if live else "block"
        outputs = (name if stream is None else stream,) if named else ()
        yield Stage("sources", name, (), outputs, None, live, _overflow(stage, default), named)


def _many(name: str, stage: Mapping[str, Any]) -> Stage:
    kind = stage["type"]
    written = stage.get(MANY[kind], "**" if kind == "recording" else None)
    patterns = written if isinstance(written, list | tuple) else [written]
    fits = tuple(text for text in patterns if isinstance(text, str) and is_stream_pattern(text))
    return Stage("sources", name, (), fits[:MAX_INPUTS], live=kind == "stream", complete=bool(fits), type=kind)


def _functions(document: Mapping[str, Any]) -> Iterator[Stage]:
    for name, stage in section(document, "functions"):
        written = stage.get("outputs")
        complete = not written or (isinstance(written, list | tuple) and all(map(_is_name, written)))
        outputs = tuple(written[:MAX_OUTPUTS]) if written and complete else (name,) if complete else ()
        yield Stage("functions", name, _inputs(stage), outputs, _errors(stage), False, _overflow(stage), complete)


def _sinks(document: Mapping[str, Any]) -> Iterator[Stage]:
    for name, stage in section(document, "sinks"):
        kind = stage.get("type")
        yield Stage(
            "sinks", name, _inputs(stage), overflow=_overflow(stage), type=kind if isinstance(kind, str) else ""
        )


def _inputs(stage: Mapping[str, Any]) -> tuple[tuple[int, str], ...]:
    written = stage.get("inputs")
    if not isinstance(written, list | tuple):
        return ()
    fits = [(index, text) for index, text in enumerate(written) if isinstance(text, str) and is_stream_pattern(text)]
    return tuple(fits[:MAX_INPUTS])


def _errors(stage: Mapping[str, Any]) -> str | None:
    on_error = stage.get("on_error")
    for _ in range(2):
        if isinstance(on_error, Mapping):
            if _is_name(on_error.get("stream")):
                return str(on_error["stream"])
            on_error = on_error.get("then")
    return None


def _overflow(stage: Mapping[str, Any], default: str = "block") -> str:
    queue = stage.get("queue")
    written = queue.get("overflow") if isinstance(queue, Mapping) else None
    return written if isinstance(written, str) else default


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and is_stream_name(value)
