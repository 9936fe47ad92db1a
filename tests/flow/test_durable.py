"""Pipelines that take a durable stream under a name: a frame is delivered when all that follows from it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from weft.core.errors import GuestError, InputError, OutputError, PipelineError
from weft.core.frame import Frame
from weft.flow.executor import Run
from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
from weft.flow.items import Receipt
from weft.flow.pipeline import Pipeline
from weft.flow.site import Site
from weft.flow.stream_source import StreamSource
from weft.flow.summary import StageSummary
from weft.stream.base import AGAIN_HEADER, Consumer, PublishOptions, SpoolOptions, SubscribeOptions
from weft.stream.local import LocalStreams

WAIT_S = 20.0
COUNT = 40


class Kept:
    """A sink that keeps what it is given, fails where it is told to, and waits until it may go on."""

    def __init__(self, *, fails_at: int = -1, error: type[Exception] = OutputError) -> None:
        self.frames: list[Frame] = []
        self.go = threading.Event()
        self.go.set()
        self.stopped = threading.Event()
        self._fails_at = fails_at
        self._error = error

    def write(self, frame: Frame) -> None:
        if not self.go.is_set():
            self.stopped.set()
            assert self.go.wait(WAIT_S)
        if frame.sequence == self._fails_at:
            raise self._error("no room")
        self.frames.append(frame)

    def close(self) -> None:
        """Nothing to do."""

    @property
    def numbers(self) -> list[int]:
        return [frame.sequence for frame in self.frames]


class Echo:
    """A function that gives every frame twice, the second one elsewhere, and none of every fifth."""

    def handle(self, frame: Frame) -> Sequence[Frame]:
        if frame.sequence == 33:
            raise GuestError("not this one")
        if frame.sequence % 5 == 4:
            return ()
        return [frame.derive(b"", media_type="a/b", stream=stream) for stream in ("out", "more")]

    def close(self) -> None:
        """Nothing to do."""


@dataclass
class Place:
    """Streams of one process, with a durable stream of so many frames."""

    streams: LocalStreams
    folder: Path

    def consumer(self) -> Consumer:
        return Consumer("pipeline", True, self.folder / "consumers")

    def pipeline(self, sink: Kept, *, replicas: int = 1, limit: int | None = COUNT, fail: bool = False) -> Pipeline:
        streams = self.streams
        source = SourceNode(
            name="in",
            open=lambda: StreamSource(streams, ("a",), consumer=self.consumer(), limit=limit),
            patterns=("a",),
        )
        echo = FunctionNode(
            name="echo",
            open=Echo,
            inputs=("a",),
            outputs=("out", "more"),
            replicas=replicas,
            on_error=OnError("fail" if fail else "skip"),
        )
        sinks = [
            SinkNode(name="kept", open=lambda: sink, inputs=("out",)),
            SinkNode(name="others", open=Kept, inputs=("more", "a")),
        ]
        return Pipeline(sources=[source], functions=[echo], sinks=sinks, site=Site(LocalStreams))

    def left(self) -> tuple[list[int], list[int]]:
        """What the consumer gets when it comes back, and which of these frames it may have had before."""
        for subscription in self.streams._subscriptions:
            subscription.close()  # as when the pipeline leaves its site
        with closing(self.streams.subscribe(["a"], SubscribeOptions(consumer=self.consumer()))) as subscription:
            got = list(iter(lambda: subscription.get(0.2), None))
        return [frame.sequence for frame in got], [frame.sequence for frame in got if AGAIN_HEADER in frame.headers]


def until(run: Run, fits: Callable[[StageSummary], bool]) -> None:
    """Wait for the sink's numbers to fit."""
    for _ in range(int(WAIT_S / 0.001)):
        if fits(run.snapshot().stage("kept")):
            return
        assert not run.wait(0.001)
    raise AssertionError(f"still {run.snapshot().stage('kept')}")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with closing(LocalStreams()) as streams:
        publisher = streams.publish("a", PublishOptions("durable", spool=SpoolOptions(tmp_path / "spool")))
        for number in range(COUNT):
            publisher.put(Frame(b"x", sequence=number))
        yield Place(streams, tmp_path)


@pytest.mark.parametrize("replicas", [1, 3])
def test_what_a_pipeline_has_done_does_not_come_again(place: Place, replicas: int) -> None:
    sink = Kept()
    place.pipeline(sink, replicas=replicas).run()
    assert sink.numbers == [number for number in range(COUNT) if number % 5 != 4 and number != 33]
    assert not any(found.receiver.unfinished for found in place.streams._subscriptions)
    assert place.left() == ([], [])


def test_a_limit_leaves_the_rest(place: Place) -> None:
    place.pipeline(Kept(), limit=30).run()
    assert place.left() == (list(range(30, COUNT)), [])


def test_what_waits_in_a_pipeline_that_fails_comes_again(place: Place) -> None:
    sink = Kept(fails_at=12)
    with pytest.raises(OutputError):
        place.pipeline(sink).run()
    got, again = place.left()
    assert got == list(range(got[0], COUNT))
    assert got[0] <= 12
    assert set(range(got[0], 13)) <= set(again)


def test_a_frame_that_is_at_fault_itself_does_not_come_again(place: Place) -> None:
    place.pipeline(Kept(fails_at=12, error=InputError)).run()
    assert place.left() == ([], [])


def test_a_frame_a_pipeline_stops_at_comes_again(place: Place) -> None:
    with pytest.raises(PipelineError):
        place.pipeline(Kept(), fail=True).run()
    got, again = place.left()
    assert got[0] <= 33
    assert 33 in again


def test_a_pipeline_that_is_stopped_finishes_what_it_has_taken(place: Place) -> None:
    sink = Kept()
    sink.go.clear()
    with Run(place.pipeline(sink, limit=None).graph) as run:
        assert sink.stopped.wait(WAIT_S)
        run.stop()
        sink.go.set()
        assert run.wait(WAIT_S)
    got, again = place.left()
    assert not again
    taken = got[0] if got else COUNT
    assert sink.numbers == [number for number in range(taken) if number % 5 != 4 and number != 33]


def test_a_pipeline_that_is_aborted_gives_back_what_it_had_taken(place: Place) -> None:
    sink = Kept()
    sink.go.clear()
    with Run(place.pipeline(sink, limit=None).graph) as run:
        assert sink.stopped.wait(WAIT_S)
        until(run, lambda sink: sink.queue.depth > 1)  # they wait behind the one that the sink has
        run.abort()
        until(run, lambda sink: sink.abandoned > 1)  # else the sink may be through with all that waits
        sink.go.set()
        assert run.wait(WAIT_S)
    got, again = place.left()
    assert got == list(range(got[0], COUNT))
    assert got[0] <= len(sink.frames) + 1
    assert again


def test_a_receipt_tells_when_nobody_has_it_any_more_unless_it_is_void() -> None:
    told: list[int] = []
    first, second = Receipt(lambda: told.append(1)), Receipt(lambda: told.append(2))
    kept = [first, first]
    del first
    kept.pop()
    assert told == []
    kept.pop()
    assert told == [1]
    second.void()
    del second
    assert told == [1]
