"""What fails is counted, contained and reported; nothing hangs."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import pytest

from tests.flow.actors import PATIENCE_S, Collect, Endless, Script, function, graph, same, sink, source
from weft.core.errors import GuestTrap, MediaError, ModelError, NotFoundError, OutputError, PipelineError, WeftError
from weft.core.frame import Frame
from weft.flow.executor import Run
from weft.flow.graph import FunctionNode, OnError, SinkNode, SourceNode
from weft.flow.summary import Summary


def run(*nodes: object) -> Summary:
    """Run the nodes to their end, whatever it is."""
    with Run(graph(*nodes)) as running:
        assert running.wait(PATIENCE_S)
        return running.snapshot()


def trap_on(*sequences: int, times: int = 10**9):
    """A function that traps on some frames, each so many times."""
    left = dict.fromkeys(sequences, times)

    def work(frame: Frame) -> Frame:
        if left.get(frame.sequence, 0) > 0:
            left[frame.sequence] -= 1
            raise GuestTrap("unreachable", cure="look at the code")
        return frame

    return work


@pytest.mark.parametrize("replicas", [1, 3])
def test_skip_counts_the_frame_and_goes_on(replicas: int, caplog: pytest.LogCaptureFixture) -> None:
    out = Collect()
    with caplog.at_level(logging.WARNING, "weft.flow"):
        summary = run(
            source("in", Script(50)), function("f", trap_on(3, 4, 49), "in", replicas=replicas), sink("o", out, "f")
        )
    stage = summary.stage("f")
    assert summary.error is None
    assert out.sequences == [number for number in range(50) if number not in (3, 4, 49)]
    assert (stage.frames_in, stage.frames_out, stage.failed) == (50, 47, 3)
    assert stage.errors == {"GuestTrap": (3, "unreachable")}
    assert 1 <= len(caplog.records) <= replicas
    first = "frame 3 of 'in' failed (others like it are counted): f: unreachable"
    assert first in caplog.text or replicas > 1


def test_retry_tries_again_and_counts_it() -> None:
    out = Collect()
    work = trap_on(2, times=2)
    summary = run(source("in", Script(4)), function("f", work, "in", on_error=OnError(retries=2)), sink("o", out, "f"))
    stage = summary.stage("f")
    assert out.sequences == [0, 1, 2, 3]
    assert (stage.failed, stage.retried) == (0, 2)


def test_retry_gives_up_in_the_end() -> None:
    out = Collect()
    summary = run(
        source("in", Script(4)), function("f", trap_on(2), "in", on_error=OnError(retries=3)), sink("o", out, "f")
    )
    assert out.sequences == [0, 1, 3]
    assert (summary.stage("f").failed, summary.stage("f").retried) == (1, 3)


def test_fail_stops_the_pipeline_and_names_frame_function_and_cure() -> None:
    out, belt = Collect(), Endless()
    summary = run(source("in", belt), function("f", trap_on(5), "in", on_error=OnError("fail")), sink("o", out, "f"))
    assert summary.ended == "error"
    assert isinstance(summary.error, PipelineError)
    assert isinstance(summary.error.__cause__, GuestTrap)
    assert str(summary.error) == "f: frame 5 of 'in' failed: unreachable\n  cure: look at the code"
    assert out.sequences[:6] == [0, 1, 2, 3, 4, 6][: len(out.sequences)]
    assert summary.stage("o").frames_out == summary.stage("in").frames_out - 1
    assert (out.closed, belt.closed >= 1) == (1, True)
    with pytest.raises(PipelineError):
        summary.check()


@pytest.mark.parametrize("replicas", [1, 3])
def test_stream_sends_a_record_without_the_payload(replicas: int) -> None:
    out = Collect()
    on_error = OnError("stream", stream="errors")
    run(
        source("in", Script(20)),
        function("f", trap_on(3, 11), "in", on_error=on_error, replicas=replicas),
        sink("o", out, "f", "errors"),
    )
    assert out.sequences == list(range(20))
    first, second = (frame for frame in out.frames if frame.stream == "errors")
    assert (first.sequence, second.sequence, first.media_type) == (3, 11, "application/json")
    assert json.loads(first.payload) == {
        "error": "GuestTrap",
        "what": "unreachable",
        "where": "f",
        "cure": "look at the code",
        "function": "f",
        "stream": "in",
        "source": "in",
        "sequence": 3,
    }


def test_emitting_to_a_stream_that_is_no_output_fails_the_frame() -> None:
    def work(frame: Frame) -> Frame:
        return frame.derive(b"", media_type="text/plain", stream="**" if frame.sequence else "good")

    out = Collect()
    summary = run(source("in", Script(3)), function("f", work, "in", outputs=("good",)), sink("o", out, "good"))
    assert out.sequences == [0]
    assert summary.stage("f").errors == {"GuestError": (2, "it emitted to '**', which is none of its outputs")}


class Broken:
    """A handler or sink that raises ``error`` when it is made, used or closed."""

    def __init__(self, error: BaseException, at: str) -> None:
        self._error = error
        self._at = at
        self._raise("open")

    def _raise(self, at: str) -> None:
        if at == self._at:
            raise self._error

    def handle(self, frame: Frame) -> Sequence[Frame]:
        self._raise("use")
        return ()

    def write(self, frame: Frame) -> None:
        self._raise("use")

    def close(self) -> None:
        self._raise("close")


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_handler_that_cannot_be_made_ends_the_pipeline_before_any_frame(replicas: int) -> None:
    belt, out, other = Endless(), Collect(), Collect()
    error = ModelError("truncated", where="net.onnx")
    broken = FunctionNode(name="f", open=lambda: Broken(error, "open"), inputs=("in",), replicas=replicas)
    summary = run(source("in", belt), broken, sink("o", out, "f"), sink("p", other, "in"))
    assert summary.error is error
    assert (belt.given, belt.closed >= 1) == (0, True)
    assert (out.opened, other.opened) == (0, 0)


def test_a_source_that_cannot_be_opened_ends_the_pipeline_before_a_sink_is_made() -> None:
    def no_file() -> Script:
        raise NotFoundError("there is no such file", where="belt.mp4")

    out, other = Collect(), Endless()
    summary = run(SourceNode(name="in", open=no_file), source("b", other), sink("o", out, "in", "b"))
    assert isinstance(summary.error, NotFoundError)
    assert (out.opened, other.given) == (0, 0)


def test_a_sink_that_cannot_be_made_ends_the_pipeline_before_any_frame() -> None:
    belt, other = Endless(), Collect()
    error = OutputError("no space left", where="out.mp4")
    summary = run(
        source("in", belt),
        SinkNode(name="o", open=lambda: Broken(error, "open"), inputs=("in",)),
        sink("p", other, "in"),
    )
    assert summary.error is error
    assert belt.given == 0
    assert other.closed == other.opened


def test_a_sink_that_cannot_write_stops_the_pipeline_and_the_others_drain() -> None:
    class Full(Collect):
        def write(self, frame: Frame) -> None:
            if frame.sequence == 7:
                raise OutputError("disk full", where="out.mp4", cure="make room")
            super().write(frame)

    full, other = Full(), Collect()
    summary = run(source("in", Endless()), sink("o", full, "in"), sink("p", other, "in"))
    assert isinstance(summary.error, OutputError)
    assert full.sequences == list(range(7))
    assert (full.closed, other.closed) == (1, 1)
    assert other.sequences == list(range(summary.stage("in").frames_out))
    stage = summary.stage("o")
    assert stage.frames_in == 7 + 1 + stage.abandoned


def test_a_frame_that_does_not_encode_is_counted_by_the_sink_and_the_next_is_written() -> None:
    class Undecodable:
        width = height = 1

        def pixels(self, *_: object) -> object:
            raise MediaError("no JPEG")

        def encode(self, media_type: str) -> bytes:
            raise MediaError("no JPEG")

    class Encoding(Collect):
        def write(self, frame: Frame) -> None:
            assert frame.payload is not None
            super().write(frame)

    def spoil(frame: Frame) -> Frame:
        return Frame(picture=Undecodable(), sequence=1) if frame.sequence == 1 else frame

    out = Encoding()
    summary = run(source("in", Script(3)), function("f", spoil, "in"), sink("o", out, "f"))
    assert summary.error is None
    assert out.sequences == [0, 2]
    assert (summary.stage("o").failed, summary.stage("o").frames_out) == (1, 2)


@pytest.mark.parametrize("queue_size", [0, 4])
def test_a_source_that_breaks_midway_delivers_what_it_read_and_then_the_error(queue_size: int) -> None:
    def broken() -> None:
        raise MediaError("the file is cut off", where="belt.mp4")

    out, belt, other = Collect(), Script(30, at_end=broken), Endless()
    summary = run(
        source("in", belt, queue_size=queue_size),
        source("b", other),
        function("f", same, "in", replicas=2),
        sink("o", out, "f"),
        sink("p", Collect(), "b"),
    )
    assert isinstance(summary.error, MediaError)
    assert out.sequences == list(range(30))
    assert (out.closed, belt.closed >= 1, other.closed >= 1) == (1, True, True)


def test_the_first_error_is_the_one_reported() -> None:
    def broken() -> None:
        raise MediaError("the file is cut off")

    late = SinkNode(name="o", open=lambda: Broken(OutputError("cannot finish"), "close"), inputs=("in",))
    summary = run(source("in", Script(3, at_end=broken)), late)
    assert isinstance(summary.error, MediaError)


@pytest.mark.parametrize("at", ["open", "use", "close"])
@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), MemoryError()], ids=lambda error: type(error).__name__)
def test_an_unexpected_exception_in_a_function_is_contained(at: str, error: BaseException) -> None:
    belt, out = Script(50) if at == "close" else Endless(), Collect()
    broken = FunctionNode(name="f", open=lambda: Broken(error, at), inputs=("in",), outputs=("g",))
    summary = run(source("in", belt), broken, function("h", same, "in"), sink("o", out, "g", "h"))
    assert isinstance(summary.error, PipelineError)
    assert summary.error.__cause__ is error
    assert str(summary.error).startswith(f"f: unexpected {type(error).__name__}")
    assert out.closed == out.opened


@pytest.mark.parametrize("at", ["open", "use", "close"])
def test_an_unexpected_exception_in_a_sink_is_contained(at: str) -> None:
    belt = Script(50) if at == "close" else Endless()
    broken = SinkNode(name="o", open=lambda: Broken(ZeroDivisionError("x"), at), inputs=("in",))
    summary = run(source("in", belt), broken)
    assert str(summary.error).startswith("o: unexpected ZeroDivisionError: x")


@pytest.mark.parametrize("replicas", [1, 3])
def test_one_broken_replica_ends_the_stage(replicas: int) -> None:
    class Broken:
        def handle(self, frame: Frame) -> list[Frame]:
            if frame.sequence == 20:
                raise ZeroDivisionError("x")
            return [frame.derive(b"", media_type="text/plain", stream="")]

        def close(self) -> None:
            pass

    out = Collect()
    summary = run(
        source("in", Endless()),
        FunctionNode(name="f", open=Broken, inputs=("in",), replicas=replicas),
        sink("o", out, "f"),
    )
    assert isinstance(summary.error, PipelineError)
    assert out.sequences == sorted(out.sequences)
    assert out.sequences[:20] == list(range(20))


def test_an_unexpected_exception_in_a_source_is_contained() -> None:
    class Bad(Script):
        def frames(self):
            yield Frame(b"")
            raise ZeroDivisionError("x")

        def close(self) -> None:
            raise OSError("no")

    out = Collect()
    summary = run(source("in", Bad(2)), sink("o", out, "in"))
    assert str(summary.error).startswith("in: unexpected ZeroDivisionError")
    assert len(out.frames) == 1


def test_a_sink_that_cannot_be_finished_is_an_error() -> None:
    error = OutputError("cannot finish", where="out.mp4")
    broken = SinkNode(name="o", open=lambda: Broken(error, "close"), inputs=("in",))
    summary = run(source("in", Script(3)), broken)
    assert summary.error is error
    assert summary.stage("o").frames_out == 3


def test_every_weft_error_of_a_handler_is_the_frames() -> None:
    def work(frame: Frame) -> Frame:
        raise WeftError(f"number {frame.sequence}")

    stage = run(source("in", Script(3)), function("f", work, "in")).stage("f")
    assert stage.errors == {"WeftError": (3, "number 0")}


def test_what_a_python_function_raises_is_a_failed_frame() -> None:
    def work(frame: Frame) -> Frame:
        if frame.sequence == 1:
            raise ZeroDivisionError("x")
        return frame

    out = Collect()
    summary = run(source("in", Script(3)), function("f", work, "in"), sink("o", out, "f"))
    assert summary.error is None
    assert out.sequences == [0, 2]
    assert summary.stage("f").errors == {"GuestFailed": (1, "ZeroDivisionError: x")}
