"""What runs: a source that waits, through two replicas that keep their instances; a live one, through fresh ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from weft.core.frame import Frame
from weft.core.once import Once
from weft.core.protocols import Function, Handler
from weft.flow.functions import FunctionOptions, load_function
from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
from weft.flow.pipeline import Pipeline
from weft.flow.summary import Summary
from weft.media.sources.pattern import PatternSource
from weft.wasm.function import InstancePolicy

GUEST = Path(__file__).parent / "guest.wat"
TRAPS_EVERY = 100
ERRORS = "errors"


class Ledger:
    """A sink that checks and counts what it gets, and keeps nothing.

    Attributes:
        results: frames a function emitted.
        errors: records of frames it failed on.
        jumps: frames whose number is not the one after the last one's.
    """

    def __init__(self) -> None:
        self.results = self.errors = self.jumps = 0
        self._next = 0

    def write(self, frame: Frame) -> None:
        """Count it."""
        if frame.stream.startswith(ERRORS):
            self.errors += 1
        else:
            self.results += 1
        self.jumps += frame.sequence != self._next
        self._next = frame.sequence + 1

    def close(self) -> None:
        """Nothing to finish."""


class Soak:
    """The pipeline, and what its sinks noted.

    Attributes:
        belt: gets the frames of the source that waits.
        camera: gets those of the live source, whose frames may be dropped.
    """

    def __init__(self) -> None:
        self.belt, self.camera = Ledger(), Ledger()
        self.pipeline = Pipeline(
            sources=[
                SourceNode(name="belt", open=lambda: PatternSource(size=(160, 120), encoding="raw")),
                SourceNode(name="camera", open=_camera, queue_size=4, overflow="drop_oldest"),
            ],
            functions=[
                _function("kept", "belt", "reuse", replicas=2),
                _function("fresh", "camera", "fresh", replicas=1),
            ],
            sinks=[
                SinkNode(name="from-belt", open=lambda: self.belt, inputs=("kept", f"{ERRORS}/kept")),
                SinkNode(name="from-camera", open=lambda: self.camera, inputs=("fresh", f"{ERRORS}/fresh")),
            ],
            name="soak",
        )

    def faults(self, summary: Summary) -> list[str]:
        """What went wrong with frames, in words; nothing if every single one is accounted for."""
        return [*_ending(summary), *_kept(summary, self.belt), *_live(summary, self.camera)]


def _ending(summary: Summary) -> list[str]:
    ended = [] if summary.ended == "stop" else [f"the pipeline ended by {summary.ended}: {summary.error}"]
    given_up = [(stage.name, stage.abandoned) for stage in summary.stages if stage.abandoned]
    return [*ended, *(f"{name}: {count} frames given up" for name, count in given_up)]


def _kept(summary: Summary, ledger: Ledger) -> list[str]:
    read, failed = summary.stage("belt").frames_out, summary.stage("kept").failed
    found = []
    if ledger.results + ledger.errors != read:
        found.append(f"belt: {read} frames were read, {ledger.results} came out and {ledger.errors} failed")
    if ledger.jumps:
        found.append(f"belt: {ledger.jumps} frames out of order")
    if not ledger.errors == failed == read // TRAPS_EVERY:
        found.append(
            f"belt: {failed} frames failed and {ledger.errors} were told, of {read // TRAPS_EVERY} that had to"
        )
    return found


def _live(summary: Summary, ledger: Ledger) -> list[str]:
    read = summary.stage("camera").frames_in
    dropped = sum(stage.dropped for stage in summary.stages)
    came = ledger.results + ledger.errors
    if came + dropped != read:
        return [f"camera: {read} frames were read, {came} came out and {dropped} were dropped"]
    return []


def _camera() -> PatternSource:
    return PatternSource(size=(160, 120), fps=50, realtime=True, encoding="raw")


def _function(name: str, stream: str, policy: InstancePolicy, *, replicas: int) -> FunctionNode:
    shared = Once(_loader(name, policy))

    def open_handler() -> Handler:
        return shared().instance()

    on_error = OnError("stream", stream=f"{ERRORS}/{name}")
    return FunctionNode(name=name, open=open_handler, inputs=(stream,), replicas=replicas, on_error=on_error)


def _loader(name: str, policy: InstancePolicy) -> Callable[[], Function]:
    return lambda: load_function(GUEST, FunctionOptions(name=name, policy=policy))


def quiet() -> None:
    """A guest that traps is no news here: its records are counted."""
    import logging

    logging.getLogger("weft").setLevel(logging.ERROR)
