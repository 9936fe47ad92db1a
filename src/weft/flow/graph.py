"""The plain graph of a pipeline: sources, functions and sinks joined by named streams.

Inputs name streams or match them by pattern: ``cam/*``, ``cam/**``. A pattern never matches what its own stage emits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from weft.core.errors import PipelineError
from weft.core.protocols import Handler, Sink, Source
from weft.core.streams import overlap
from weft.core.suggest import did_you_mean
from weft.flow.queues import Overflow

QUEUE_SIZE = 8


@dataclass(frozen=True, slots=True)
class OnError:
    """What happens to a frame on which a function fails.

    Attributes:
        action: ``skip`` counts it and goes on; ``fail`` stops the pipeline; ``stream`` emits an error record.
        retries: attempts after the first, before ``action``.
        stream: where error records go, for ``stream``.
    """

    action: Literal["skip", "fail", "stream"] = "skip"
    retries: int = 0
    stream: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceNode:
    """A source.

    Attributes:
        name: its name in counters and messages.
        open: makes the source, on the thread that reads it.
        stream: where its frames go; its own name if empty.
        queue_size: frames that may wait where they enter, for a camera that must be read when it has a frame.
            0: frames go straight to those who take them, and reading waits for them.
        overflow: what happens to its frames, if the source is live, when that many wait.
        patterns: for a source of many streams, which they may be. Its frames keep the stream and the source they
            come with, and ``stream`` is not used.
    """

    name: str
    open: Callable[[], Source]
    stream: str = ""
    queue_size: int = 0
    overflow: Overflow = "block"
    patterns: tuple[str, ...] = ()

    @property
    def emits(self) -> tuple[str, ...]:
        """The stream that comes from it, or the patterns of those that do."""
        return self.patterns or (self.stream or self.name,)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionNode:
    """A function, run by ``replicas`` threads.

    Attributes:
        name: its name in counters and messages.
        open: makes a handler; called once on each of its threads, and the handler stays on that thread.
        inputs: names and patterns of the streams it takes.
        outputs: the streams it may emit to, the default one first; its own name if empty.
        replicas: threads, each with its own handler. Frames of one source still leave in order.
        queue_size: frames that may wait for it.
        overflow: what happens to frames of live sources when that many wait.
        on_error: what happens to frames it fails on.
    """

    name: str
    open: Callable[[], Handler]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    replicas: int = 1
    queue_size: int = QUEUE_SIZE
    overflow: Overflow = "block"
    on_error: OnError = field(default_factory=OnError)

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams it may emit to, the default one first."""
        return self.outputs or (self.name,)

    @property
    def emits(self) -> tuple[str, ...]:
        """All streams that come from it, the one for error records included."""
        return (*self.streams, self.on_error.stream) if self.on_error.action == "stream" else self.streams


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SinkNode:
    """A sink with a thread of its own. ``open`` makes it there, after everything else has started."""

    name: str
    open: Callable[[], Sink]
    inputs: tuple[str, ...]
    queue_size: int = QUEUE_SIZE
    overflow: Overflow = "block"


Producer = SourceNode | FunctionNode
Consumer = FunctionNode | SinkNode
Node = SourceNode | FunctionNode | SinkNode


@dataclass(frozen=True, slots=True)
class Graph:
    """A pipeline's nodes. :meth:`check` says whether they make a pipeline."""

    sources: tuple[SourceNode, ...]
    functions: tuple[FunctionNode, ...] = ()
    sinks: tuple[SinkNode, ...] = ()

    @property
    def nodes(self) -> list[Node]:
        """All nodes, sources first."""
        return [*self.sources, *self.functions, *self.sinks]

    @property
    def producers(self) -> list[Producer]:
        """The nodes that give frames."""
        return [*self.sources, *self.functions]

    @property
    def consumers(self) -> list[Consumer]:
        """The nodes that take frames."""
        return [*self.functions, *self.sinks]

    def producers_of(self, consumer: Consumer) -> list[Producer]:
        """The nodes whose frames reach ``consumer`` directly."""
        return [node for node in self.producers if any(takes(consumer, stream) for stream in node.emits)]

    def check(self) -> None:
        """Raises PipelineError for what could not run: no source, a name twice, an input nobody feeds, a cycle."""
        if not self.sources:
            raise PipelineError("the pipeline has no source", cure="add one under sources:")
        _check_names(self.producers)
        _check_names(self.sinks)
        for consumer in self.consumers:
            _check_numbers(consumer)
            self._check_inputs(consumer)
        self._check_acyclic()

    def _check_inputs(self, node: Consumer) -> None:
        if not node.inputs:
            raise PipelineError("it takes no stream", where=node.name, cure="name one under inputs:")
        streams = [stream for producer in self.producers for stream in producer.emits]
        for pattern in node.inputs:
            if not any(overlap(pattern, stream) for stream in streams):
                cure = did_you_mean(pattern, streams) or f"the streams are {', '.join(sorted(set(streams)))}"
                raise PipelineError(f"nobody emits to '{pattern}'", where=node.name, cure=cure)

    def _check_acyclic(self) -> None:
        edges = {node.name: [producer.name for producer in self.producers_of(node)] for node in self.functions}
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            loop = " → ".join(error.args[1])
            raise PipelineError(f"frames go round in a circle: {loop}", cure="rename one of its streams") from None


def takes(consumer: Consumer, stream: str) -> bool:
    """Whether frames of ``stream`` go to ``consumer``; of a pattern, whether those of any stream that fits it may."""
    if isinstance(consumer, FunctionNode) and stream in consumer.emits and stream not in consumer.inputs:
        return False
    return any(overlap(pattern, stream) for pattern in consumer.inputs)


def _check_names(nodes: Sequence[Node]) -> None:
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise PipelineError(
                f"'{name}' is there twice", cure="give each source and function its own name, and each sink"
            )


def _check_numbers(node: Consumer) -> None:
    if node.queue_size < 1:
        raise PipelineError(f"queue size {node.queue_size}", where=node.name, cure="1 or more")
    if isinstance(node, FunctionNode) and node.replicas < 1:
        raise PipelineError(f"{node.replicas} replicas", where=node.name, cure="1 or more")
