"""Hot swap: from a new module on disk to the first frame it handles, under load and with every frame counted."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.harness import Result
from weft.core.frame import Frame
from weft.core.protocols import Function, Handler
from weft.dev.watch import Watch
from weft.flow.executor import Run
from weft.flow.functions import FunctionOptions, load_function
from weft.flow.graph import FunctionNode, Graph, SinkNode, SourceNode
from weft.toolchains import language
from weft.toolchains.compiling import build
from weft.toolchains.scaffold import create

SWAPS = 20
BUILDS = 5
REPLICAS = 3
GOAL_MS = 200
SOURCE = """#include "weft.h"
WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    return weft_emit("", 0, "text/plain", 10, "%04d", 4);
}
"""


class Belt:
    """Frames as fast as they are taken, until it is closed."""

    live = False
    length = None

    def __init__(self) -> None:
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        sequence = 0
        while not self._closed.is_set():
            yield Frame(b"", sequence=sequence, time_ns=0)
            sequence += 1

    def close(self) -> None:
        self._closed.set()


class Seen:
    """A sink that notes each frame's number and version, and when a version came first."""

    def __init__(self) -> None:
        self.sequences: list[int] = []
        self.versions: list[int] = []
        self.first: dict[int, float] = {}
        self._new = threading.Condition()

    def write(self, frame: Frame) -> None:
        version = int(frame.payload)
        self.sequences.append(frame.sequence)
        self.versions.append(version)
        if version not in self.first:
            with self._new:
                self.first[version] = time.perf_counter()
                self._new.notify_all()

    def close(self) -> None:
        """Nothing to release."""

    def at(self, version: int) -> float:
        """When the first frame of a version arrived."""
        with self._new:
            assert self._new.wait_for(lambda: version in self.first, 60)
        return self.first[version]


def opener(module: Path) -> Callable[[], Handler]:
    """What opens the module as it is now."""
    loaded: list[Function] = []

    def make() -> Handler:
        if not loaded:
            loaded.append(load_function(module, FunctionOptions(name="counter")))
        return loaded[0].instance()

    return make


def modules(folder: Path, count: int) -> list[bytes]:
    """A function in C, compiled, in as many versions: they differ in what they say."""
    (folder / "function.c").write_text(SOURCE % 0)
    wasm = build(folder).module.read_bytes()
    assert wasm.count(b"0000") == 1
    return [wasm.replace(b"0000", b"%04d" % version) for version in range(count)]


def swapped_ms(folder: Path) -> tuple[list[float], list[float], Seen]:
    """Milliseconds from a module on disk to its first frame at the sink, and of the making ready; what the sink saw.

    Each module is new to this machine: nothing of it is compiled yet.
    """
    versions = modules(folder, SWAPS + 1)
    module = folder / "counter.wasm"
    module.write_bytes(versions[0])
    seen, belt = Seen(), Belt()
    function = FunctionNode(name="f", open=opener(module), inputs=("in",), replicas=REPLICAS)
    nodes = Graph(
        (SourceNode(name="in", open=lambda: belt),),
        (function,),
        (SinkNode(name="out", open=lambda: seen, inputs=("f",)),),
    )
    times, opened = [], []
    with Run(nodes).start() as run:
        seen.at(0)
        for version in range(1, SWAPS + 1):
            module.write_bytes(versions[version])
            began = time.perf_counter()
            swap = run.swap("f", opener(module))
            times.append((seen.at(version) - began) * 1e3)
            assert swap.wait(60)
            opened.append(swap.check().open_s * 1e3)
        run.stop()
        run.wait()
        stage = run.snapshot().check().stage("f")
    assert stage.failed == stage.abandoned == 0
    return times, opened, seen


def told_ms(folder: Path) -> float:
    """Median milliseconds from a file that is saved to the watch telling so."""
    told = threading.Event()
    watch = Watch(lambda paths: told.set())
    watch.follow([folder])
    times = []
    for number in range(BUILDS):
        told.clear()
        began = time.perf_counter()
        (folder / f"note{number}").write_text("x")
        assert told.wait(60)
        times.append((time.perf_counter() - began) * 1e3)
    watch.close()
    return statistics.median(times)


def built_ms(folder: Path) -> float:
    """Median milliseconds of building the function again."""
    times = []
    for number in range(BUILDS):
        (folder / "function.c").write_text(SOURCE % (9000 + number))
        began = time.perf_counter()
        build(folder)
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def run() -> Iterator[Result]:
    """Swaps under load; what comes before them is told apart."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "counter"
        create(folder, language("c"))
        times, opened, seen = swapped_ms(folder)
        lost = len(set(range(max(seen.sequences) + 1)) ^ set(seen.sequences)) + len(seen.sequences)
        lost -= len(set(seen.sequences))
        disorder = sum(a > b for a, b in zip(seen.versions, seen.versions[1:], strict=False))
        detail = {
            "worst": round(max(times), 1),
            "of it load and start": round(statistics.median(opened), 1),
            "replicas": REPLICAS,
            "frames": len(seen.sequences),
            "lost or twice": lost,
            "out of order": disorder,
            "before it: telling the save": round(told_ms(folder)),
            "building the C function": round(built_ms(folder)),
        }
    yield Result("hot swap: new module to its first frame", statistics.median(times), "ms", GOAL_MS, "lower", detail)
    yield Result("hot swap: frames lost, twice or out of order", lost + disorder, "frames", 0, "lower")
