"""Where the frames of a stream go: the queues of everyone who takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.flow.graph import Consumer, Graph, takes
from weft.flow.items import Item
from weft.flow.queues import FrameQueue


class Routes:
    """The queues by stream. Never changes, so any thread may use it."""

    def __init__(self, graph: Graph, queue_of: Mapping[Consumer, FrameQueue]) -> None:
        streams = {stream for producer in graph.producers for stream in producer.emits}
        self._queues = {
            stream: tuple(queue_of[node] for node in graph.consumers if takes(node, stream)) for stream in streams
        }

    def to(self, stream: str) -> tuple[FrameQueue, ...]:
        """The queues for frames of ``stream``; empty where nobody listens."""
        return self._queues[stream]

    def send(self, items: Sequence[Item]) -> None:
        """Put each item into the queues of its stream, waiting where a queue makes producers wait."""
        for item in items:
            for queue in self._queues[item.frame.stream]:
                queue.put(item)
