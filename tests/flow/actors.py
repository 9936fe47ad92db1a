"""Sources, functions and sinks in plain Python for tests of the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from weft.core.frame import Frame
from weft.flow.graph import FunctionNode, Graph, SinkNode, SourceNode
from weft.flow.handlers import Work, python

PATIENCE_S = 20.0


class Script:
    """A source of ``count`` numbered frames; counts how often it was read and closed."""

    def __init__(self, count: int, *, live: bool = False, at_end: Callable[[], None] = lambda: None) -> None:
        self.live = live
        self.length = count
        self.given = 0
        self.closed = 0
        self._at_end = at_end

    def frames(self) -> Iterator[Frame]:
        for number in range(self.length):
            self.given += 1
            yield Frame(b"%d" % number, sequence=number)
        self._at_end()

    def close(self) -> None:
        self.closed += 1


class Endless(Script):
    """A source that gives frames until it is closed."""

    def __init__(self, *, live: bool = False) -> None:
        super().__init__(0, live=live)
        self.length = None
        self.ended = threading.Event()

    def frames(self) -> Iterator[Frame]:
        while not self.ended.is_set():
            yield Frame(b"%d" % self.given, sequence=self.given)
            self.given += 1

    def close(self) -> None:
        super().close()
        self.ended.set()


class Silent(Endless):
    """A camera that never has a frame: its reader waits until it is closed."""

    def frames(self) -> Iterator[Frame]:
        assert self.ended.wait(PATIENCE_S)
        yield from ()


class Collect:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed = 0
        self.opened = 0
        self.some = threading.Event()

    def open(self) -> Collect:
        self.opened += 1
        return self

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.some.set()

    def close(self) -> None:
        self.closed += 1

    @property
    def sequences(self) -> list[int]:
        return [frame.sequence for frame in self.frames]

    def of(self, stream: str) -> list[int]:
        """The sequences of one stream."""
        return [frame.sequence for frame in self.frames if frame.stream == stream]


def source(name: str, made: Script, **options: object) -> SourceNode:
    return SourceNode(name=name, open=lambda: made, **options)


def function(name: str, work: Work, *inputs: str, **options: object) -> FunctionNode:
    return FunctionNode(name=name, open=python(work), inputs=inputs, **options)


def sink(name: str, made: Collect, *inputs: str, **options: object) -> SinkNode:
    return SinkNode(name=name, open=made.open, inputs=inputs, **options)


def graph(*nodes: SourceNode | FunctionNode | SinkNode) -> Graph:
    """The nodes, sorted into a graph."""
    return Graph(
        tuple(node for node in nodes if isinstance(node, SourceNode)),
        tuple(node for node in nodes if isinstance(node, FunctionNode)),
        tuple(node for node in nodes if isinstance(node, SinkNode)),
    )


def same(frame: Frame) -> Frame:
    """A function that hands its frames through."""
    return frame
