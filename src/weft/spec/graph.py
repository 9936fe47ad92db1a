"""The shape of a pipeline: who emits which stream, who reads it, in what order.

It is read from the document's plain data, leniently: what is written wrongly is left out here and reported
by validation, so that the checks across the document can run beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from weft.core.streams import matches
from weft.spec.endpoints import MAX_INPUTS
from weft.spec.function import MAX_OUTPUTS
from weft.spec.values import is_stream_name, is_stream_pattern

Kind = Literal["sources", "functions", "sinks"]
MAX_STAGES = 128


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
    """

    kind: Kind
    name: str
    inputs: tuple[tuple[int, str], ...] = ()
    outputs: tuple[str, ...] = ()
    errors: str | None = None
    live: bool = False
    overflow: str = "block"
    complete: bool = True

    @property
    def path(self) -> tuple[str, str]:
        """Where it stands in the document."""
        return (self.kind, self.name)

    @property
    def emits(self) -> tuple[str, ...]:
        """All streams it emits to, the one for error records included."""
        return self.outputs if self.errors is None else (*self.outputs, self.errors)


class Graph:
    """Stages joined by streams."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self.producers: dict[str, list[Stage]] = {}
        for stage in stages:
            for stream in dict.fromkeys(stage.emits):
                self.producers.setdefault(stream, []).append(stage)
        self._reads = {stage: self._resolve(stage) for stage in stages}
        self._feeders = {stage: self._producers_of(streams) for stage, streams in self._reads.items()}

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
        return [stage for stage, streams in self._reads.items() if stream in streams]

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
        """The streams one input of a stage stands for; none where nobody emits such a stream."""
        if "*" not in written:
            return [written] if written in self.producers else []
        return [stream for stream in self.producers if matches(written, stream) and stream not in stage.emits]

    def _resolve(self, stage: Stage) -> tuple[str, ...]:
        found = (stream for _, written in stage.inputs for stream in self.matching(stage, written))
        return tuple(dict.fromkeys(found))

    def _producers_of(self, streams: Sequence[str]) -> tuple[Stage, ...]:
        return tuple(dict.fromkeys(stage for stream in streams for stage in self.producers[stream]))


def graph_of(document: Mapping[str, Any]) -> Graph:
    """The graph of a document's plain data."""
    return Graph([*_sources(document), *_functions(document), *_sinks(document)])


def section(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The stages of one section by name, up to the bound; one that is no mapping counts as an empty one."""
    stages = document.get(kind)
    if isinstance(stages, Mapping):
        entries = list(stages.items())[:MAX_STAGES]
        yield from ((name, stage if isinstance(stage, Mapping) else {}) for name, stage in entries)


def _sources(document: Mapping[str, Any]) -> Iterator[Stage]:
    for name, stage in section(document, "sources"):
        stream = stage.get("stream")
        named = stream is None or _is_name(stream)
        live = stage.get("type") == "camera" or (stage.get("type") == "pattern" and stage.get("realtime") is True)
        default = "drop_oldest" if live else "block"
        outputs = (name if stream is None else stream,) if named else ()
        yield Stage("sources", name, (), outputs, None, live, _overflow(stage, default), named)


def _functions(document: Mapping[str, Any]) -> Iterator[Stage]:
    for name, stage in section(document, "functions"):
        written = stage.get("outputs")
        complete = not written or (isinstance(written, list | tuple) and all(map(_is_name, written)))
        outputs = tuple(written[:MAX_OUTPUTS]) if written and complete else (name,) if complete else ()
        yield Stage("functions", name, _inputs(stage), outputs, _errors(stage), False, _overflow(stage), complete)


def _sinks(document: Mapping[str, Any]) -> Iterator[Stage]:
    for name, stage in section(document, "sinks"):
        yield Stage("sinks", name, _inputs(stage), overflow=_overflow(stage))


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
