"""From graph to threads: a queue before every function and sink, a lane and threads behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from weft.flow.control import Control
from weft.flow.graph import Consumer, FunctionNode, Graph, Node, SinkNode, SourceNode
from weft.flow.order import DirectLane, Lane, OrderedLane
from weft.flow.queues import FrameQueue
from weft.flow.reader import DispatchThread, SourceThread
from weft.flow.roster import Roster
from weft.flow.routes import Routes
from weft.flow.thread import StageThread
from weft.flow.worker import FunctionThread
from weft.flow.writer import SinkThread

Kind = Literal["source", "function", "sink"]

WINDOW_PER_REPLICA = 4


@dataclass(slots=True)
class Stage:
    """A node at run time.

    Attributes:
        running: how many of its threads have not finished.
        feeding: how many of the stages that feed its queue have not finished; the queue closes at 0.
        consumers: the stages it feeds.
        roster: the versions of a function.
    """

    name: str
    kind: Kind
    threads: Sequence[StageThread]
    queue: FrameQueue | None
    lane: Lane | None
    consumers: list[Stage]
    running: int
    feeding: int = 0
    roster: Roster | None = None

    def finish_thread(self) -> None:
        """Note that one of its threads ended; with the last one, close the queues nobody else feeds."""
        self.running -= 1
        if self.running:
            return
        for consumer in self.consumers:
            consumer.feeding -= 1
            if not consumer.feeding and consumer.queue is not None:
                consumer.queue.close()

    def abort(self) -> None:
        """Let nobody wait for this stage or in it, and give up what is queued."""
        if self.queue is not None:
            self.queue.abort()
        if self.lane is not None:
            self.lane.abort()


def assemble(graph: Graph, control: Control) -> list[Stage]:
    """The stages of a checked graph, in its order, their threads not started."""
    queues: dict[Consumer, FrameQueue] = {node: FrameQueue(node.queue_size, node.overflow) for node in graph.consumers}
    routes = Routes(graph, queues)
    stages = {node: _stage(node, control, queues, routes) for node in graph.nodes}
    for consumer in graph.consumers:
        for producer in graph.producers_of(consumer):
            stages[producer].consumers.append(stages[consumer])
            stages[consumer].feeding += 1
    return list(stages.values())


def _stage(node: Node, control: Control, queues: Mapping[Consumer, FrameQueue], routes: Routes) -> Stage:
    if isinstance(node, SourceNode):
        return _source(node, control, routes)
    queue = queues[node]
    if isinstance(node, SinkNode):
        return Stage(node.name, "sink", [SinkThread(node, control, queue)], queue, None, [], 1)
    lane = _lane(node, queue, routes)
    roster = Roster(node.name, lane, node.replicas)
    threads = [FunctionThread(node, replica, control, queue, lane, roster) for replica in range(node.replicas)]
    for thread in threads[1:]:
        thread.meter.told = threads[0].meter.told
    return Stage(node.name, "function", threads, queue, lane, [], node.replicas, roster=roster)


def _source(node: SourceNode, control: Control, routes: Routes) -> Stage:
    queue = FrameQueue(node.queue_size, node.overflow) if node.queue_size else None
    threads: list[StageThread] = [SourceThread(node, control, routes, queue)]
    if queue is not None:
        threads.append(DispatchThread(node, control, routes, queue))
    return Stage(node.name, "source", threads, queue, None, [], len(threads))


def _lane(node: FunctionNode, queue: FrameQueue, routes: Routes) -> Lane:
    if node.replicas == 1:
        return DirectLane(queue, routes.send)
    return OrderedLane(queue, routes.send, WINDOW_PER_REPLICA * node.replicas)
