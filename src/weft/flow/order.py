"""Order with several replicas: frames of one source leave a stage in the order in which they came.

:class:`Reorder` is the logic, without threads or clocks. :class:`OrderedLane` puts it between the threads of a
stage; :class:`DirectLane` is what a stage with one replica uses instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from threading import Condition, Lock
from typing import Generic, Protocol, TypeVar

from weft.flow.items import Item
from weft.flow.queues import FrameQueue

V = TypeVar("V")
Emit = Callable[[Sequence[Item]], None]


class Ticket(Generic[V]):
    """A place in the order of ``key``; ``value`` is what came of it, once it is done."""

    __slots__ = ("done", "key", "value")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.done = False
        self.value: V | None = None


class Reorder(Generic[V]):
    """Gives out tickets and gives back their values, per key in the order of the tickets.

    At most ``window`` tickets of one key are out at a time: who runs ahead of a slow one has to wait.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._lanes: dict[Hashable, deque[Ticket[V]]] = {}

    def full(self, key: Hashable) -> bool:
        """True when no ticket of ``key`` can be had until the oldest is released."""
        return len(self._lanes.get(key, ())) >= self._window

    def take(self, key: Hashable) -> Ticket[V]:
        """The next place of ``key``; only when it is not :meth:`full`."""
        assert not self.full(key), "the window is full"
        ticket: Ticket[V] = Ticket(key)
        self._lanes.setdefault(key, deque()).append(ticket)
        return ticket

    def finish(self, ticket: Ticket[V], value: V) -> None:
        """Note what came of a ticket, whichever order they finish in."""
        assert not ticket.done, "a ticket finishes once"
        ticket.done = True
        ticket.value = value

    def release(self, key: Hashable) -> Ticket[V] | None:
        """The oldest ticket of ``key`` if it is finished, which makes room for one more; else None."""
        lane = self._lanes.get(key)
        if not lane or not lane[0].done:
            return None
        ticket = lane.popleft()
        if not lane:
            del self._lanes[key]  # sources of other machines come and go
        return ticket


class Job:
    """A frame a worker has taken, its place in the order where there is one, and which version is to handle it."""

    __slots__ = ("item", "ticket", "version")

    def __init__(self, item: Item, ticket: Ticket[Sequence[Item]] | None = None, version: int = 0) -> None:
        self.item = item
        self.ticket = ticket
        self.version = version


class Lane(Protocol):
    """How the workers of a stage take frames and pass on what came of them.

    Attributes:
        version: of the stage's function; marks every frame that is taken from now on.
    """

    version: int

    def take(self) -> Job | None:
        """The next frame to work on, waiting for one; None when there is no more."""

    def finish(self, job: Job, outputs: Sequence[Item]) -> None:
        """Pass on what a frame gave (nothing, if it failed), in its turn. Every job taken must be finished."""

    def abort(self) -> None:
        """Let nobody wait here any more."""


class DirectLane:
    """The lane of a stage with one replica: its order is the queue's."""

    def __init__(self, queue: FrameQueue, emit: Emit) -> None:
        self.version = 0
        self._queue = queue
        self._emit = emit

    def take(self) -> Job | None:
        """The next frame."""
        item = self._queue.get()
        return None if item is None else Job(item, None, self.version)

    def finish(self, job: Job, outputs: Sequence[Item]) -> None:
        """Emit at once."""
        if outputs:
            self._emit(outputs)

    def abort(self) -> None:
        """Nobody waits in this lane but on the queue."""


class OrderedLane:
    """The lane of a stage with replicas: one worker at a time takes, one at a time per source emits.

    A worker that finishes early leaves its outputs with the lane and goes on; whoever finishes the oldest frame
    emits everything whose turn it then is.
    """

    def __init__(self, queue: FrameQueue, emit: Emit, window: int) -> None:
        self.version = 0
        self._queue = queue
        self._emit = emit
        self._intake = Lock()
        self._moved = Condition(Lock())
        self._reorder: Reorder[Sequence[Item]] = Reorder(window)
        self._emitting: set[Hashable] = set()
        self._aborted = False

    def take(self) -> Job | None:
        """The next frame, once its source's window has room."""
        with self._intake:
            item = self._queue.get()
            if item is None:
                return None
            key = item.origin.name
            with self._moved:
                while self._reorder.full(key):
                    if self._aborted:
                        self._queue.give_up(item)
                        return None
                    self._moved.wait()
                return Job(item, self._reorder.take(key), self.version)

    def finish(self, job: Job, outputs: Sequence[Item]) -> None:
        """Note the outputs, and emit all whose turn it is unless another worker is at it."""
        ticket = job.ticket
        assert ticket is not None
        with self._moved:
            self._reorder.finish(ticket, outputs)
            if ticket.key in self._emitting:
                return
            self._emitting.add(ticket.key)
        self._emit_ready(ticket.key)

    def abort(self) -> None:
        """Wake the worker that waits for the window."""
        with self._moved:
            self._aborted = True
            self._moved.notify_all()

    def _emit_ready(self, key: Hashable) -> None:
        try:
            while (outputs := self._next_ready(key)) is not None:
                if outputs:
                    self._emit(outputs)
        except BaseException:
            with self._moved:
                self._emitting.discard(key)
            raise

    def _next_ready(self, key: Hashable) -> Sequence[Item] | None:
        """The outputs whose turn it is. When there are none, this worker stops emitting in the same moment."""
        with self._moved:
            ticket = self._reorder.release(key)
            if ticket is None:
                self._emitting.discard(key)
                return None
            self._moved.notify_all()
            return ticket.value
