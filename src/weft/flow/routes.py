"""Where the frames of a stream go: the queues of everyone who takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from weft.flow.graph import Consumer, Graph, takes
from weft.flow.items import Item
from weft.flow.queues import FrameQueue

MAX_FOUND = 1024
"""Streams of sources that emit patterns whose queues are remembered; beyond that they are found again."""


class Routes:
    """The queues by stream. What it remembers only grows and is put in place whole, so any thread may use it."""

    def __init__(self, graph: Graph, queue_of: Mapping[Consumer, FrameQueue]) -> None:
        self._consumers = [(node, queue_of[node]) for node in graph.consumers]
        streams = {stream for producer in graph.producers for stream in producer.emits}
        self._queues = {stream: self._find(stream) for stream in streams}
        self._most = len(self._queues) + MAX_FOUND

    def to(self, stream: str) -> tuple[FrameQueue, ...]:
        """The queues for frames of ``stream``; empty where nobody listens."""
        found = self._queues.get(stream)
        if found is None:
            found = self._find(stream)
            if len(self._queues) < self._most:
                self._queues[stream] = found
        return found

    def send(self, items: Sequence[Item]) -> None:
        """Put each item into the queues of its stream, waiting where a queue makes producers wait."""
        for item in items:
            for queue in self.to(item.frame.stream):
                queue.put(item)

    def _find(self, stream: str) -> tuple[FrameQueue, ...]:
        return tuple(queue for node, queue in self._consumers if takes(node, stream))
