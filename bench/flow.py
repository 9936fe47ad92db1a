"""What the executor costs: microseconds per frame through a source, function and sink that do nothing."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Iterator, Sequence

from bench.harness import Result
from weft.core.frame import Frame
from weft.flow.graph import FunctionNode, SinkNode, SourceNode
from weft.flow.items import Item, Origin
from weft.flow.pipeline import Pipeline
from weft.flow.queues import FrameQueue

FRAMES = 20_000
REPEATS = 5
SHAPES = ((1, 8), (1, 64), (2, 8), (4, 8))


class Counting:
    """A source of empty frames."""

    live = False
    length = FRAMES

    def frames(self) -> Iterator[Frame]:
        return (Frame(b"", sequence=number, time_ns=0) for number in range(FRAMES))

    def close(self) -> None:
        """Nothing to release."""


class Nothing:
    """A handler that emits one empty frame for each, and a sink that forgets."""

    def handle(self, frame: Frame) -> Sequence[Frame]:
        return (frame.derive(b"", media_type="application/json", stream=""),)

    def write(self, frame: Frame) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to release."""


def per_frame_us(replicas: int, queue_size: int) -> float:
    """Median microseconds per frame of several runs."""
    pipeline = Pipeline(
        sources=[SourceNode(name="in", open=Counting)],
        functions=[
            FunctionNode(name="f", open=Nothing, inputs=("in",), replicas=replicas, queue_size=queue_size),
        ],
        sinks=[SinkNode(name="out", open=Nothing, inputs=("f",), queue_size=queue_size)],
    )
    runs = [pipeline.run() for _ in range(REPEATS)]
    assert all(run.stage("out").frames_out == FRAMES for run in runs)
    return statistics.median(run.seconds for run in runs) / FRAMES * 1e6


def queue_us() -> float:
    """Median microseconds of one put and one get on one thread."""
    queue = FrameQueue(8)
    item = Item(Frame(b""), Origin("in", live=False), 0.0)
    times = timeit.repeat(lambda: (queue.put(item), queue.get()), number=20_000, repeat=REPEATS)
    return statistics.median(times) / 20_000 * 1e6


def run() -> Iterator[Result]:
    """The executor alone, with one replica and with two."""
    detail = {f"{replicas} replicas, queue {size}": round(per_frame_us(replicas, size), 1) for replicas, size in SHAPES}
    detail["queue put and get"] = round(queue_us(), 1)
    yield Result(
        "pipeline: the executor's own work per frame", detail["1 replicas, queue 8"], "µs", 50, "lower", detail
    )
