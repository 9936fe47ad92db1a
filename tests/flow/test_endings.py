"""How a pipeline ends before its sources do: stop, drain, abort, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.actors import PATIENCE_S, Collect, Endless, Script, Silent, function, graph, same, sink, source
from weft.core.errors import GuestError, PipelineError
from weft.core.frame import Frame
from weft.flow.executor import Run
from weft.flow.graph import OnError
from weft.flow.pipeline import Pipeline
from weft.flow.reader import DispatchThread, SourceThread
from weft.flow.worker import FunctionThread
from weft.flow.writer import SinkThread


@pytest.mark.parametrize("live", [False, True])
def test_stop_drains_everything_that_was_read(live: bool) -> None:
    out, belt = Collect(), Endless(live=live)
    with Run(graph(source("in", belt), function("f", same, "in", replicas=2), sink("o", out, "f"))) as running:
        assert out.some.wait(PATIENCE_S)
        running.stop()
        assert running.wait(PATIENCE_S)
    summary = running.snapshot().check()
    assert summary.ended == "stop"
    assert out.sequences == list(range(summary.stage("in").frames_out))
    assert (out.closed, belt.closed >= 1) == (1, True)


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_nothing_is_lost_wherever_a_stop_finds_the_threads(replicas: int) -> None:
    """Threads take turns every microsecond, and each run is stopped a frame later than the one before."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for frames in range(30):
            _stop_after(frames, replicas)
    finally:
        sys.setswitchinterval(interval)


def _stop_after(frames: int, replicas: int) -> None:
    out, belt = Collect(), Endless(live=bool(frames % 2))
    nodes = graph(
        source("in", belt, queue_size=frames % 3),
        function("f", same, "in", replicas=replicas, queue_size=1 + frames % 2),
        sink("o", out, "f", queue_size=1 + frames % 5),
    )
    with Run(nodes) as running:
        while len(out.frames) < frames:
            out.some.clear()
            assert out.some.wait(PATIENCE_S)
        running.stop()
        assert running.wait(PATIENCE_S)
    summary = running.snapshot().check()
    assert out.sequences == list(range(summary.stage("in").frames_out))
    assert [stage.abandoned + stage.dropped + stage.failed for stage in summary.stages] == [0, 0, 0]


def test_stop_ends_a_source_that_waits_for_its_camera() -> None:
    with Run(graph(source("cam", Silent(live=True)), sink("o", Collect(), "cam"))) as running:
        running.stop()
        assert running.wait(PATIENCE_S)
    assert running.snapshot().check().ended == "stop"


def test_an_error_of_a_source_that_was_closed_under_its_reader_is_no_news() -> None:
    class Fragile(Silent):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            raise OSError("read of closed file")

    with Run(graph(source("cam", Fragile(live=True)), sink("o", Collect(), "cam"))) as running:
        running.stop()
        assert running.wait(PATIENCE_S)
    assert running.snapshot().error is None


def test_stop_while_models_load_reads_no_frame() -> None:
    loading, loaded = threading.Event(), threading.Event()

    class Slow:
        handle = staticmethod(lambda frame: ())
        close = staticmethod(lambda: None)

        def __init__(self) -> None:
            loading.set()
            assert loaded.wait(PATIENCE_S)

    belt, out = Endless(), Collect()
    node = function("f", same, "in")
    object.__setattr__(node, "open", Slow)
    with Run(graph(source("in", belt), node, sink("o", out, "f"))) as running:
        assert loading.wait(PATIENCE_S)
        running.stop()
        assert belt.ended.wait(PATIENCE_S)
        loaded.set()
        assert running.wait(PATIENCE_S)
    assert (belt.given, out.opened, running.snapshot().ended) == (0, 0, "stop")


def test_stop_after_the_end_changes_nothing() -> None:
    with Run(graph(source("in", Script(3)), sink("o", Collect(), "in"))) as running:
        assert running.wait(PATIENCE_S)
        running.stop()
        running.interrupt("SIGINT")
    assert running.snapshot().ended == "end"


class Stuck:
    """A function that holds its first frame until it is let go."""

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, frame: Frame) -> Frame:
        self.holds.set()
        assert self.let_go.wait(PATIENCE_S)
        return frame


def test_what_does_not_drain_in_time_is_abandoned_counted_and_the_sinks_are_closed() -> None:
    stuck, out = Stuck(), Collect()
    nodes = graph(source("in", Script(100)), function("f", stuck, "in", queue_size=4), sink("o", out, "f"))
    with Run(nodes, drain_s=0.01) as running:
        assert stuck.holds.wait(PATIENCE_S)
        running.stop()
        while not running.snapshot().stage("f").abandoned:
            running.wait(0.005)
        stuck.let_go.set()
        assert running.wait(PATIENCE_S)
    summary = running.snapshot().check()
    stage = summary.stage("f")
    assert summary.ended == "stop"
    assert stage.abandoned == stage.frames_in - 1
    assert (out.closed, len(out.frames)) == (1, 0)


def test_abort_does_not_drain() -> None:
    stuck, out = Stuck(), Collect()
    nodes = graph(source("in", Script(100)), function("f", stuck, "in", replicas=2), sink("o", out, "f"))
    with Run(nodes, drain_s=60) as running:
        assert stuck.holds.wait(PATIENCE_S)
        running.abort()
        while not running.snapshot().stage("f").abandoned:
            running.wait(0.005)
        stuck.let_go.set()
        assert running.wait(PATIENCE_S)
    assert (running.snapshot().ended, out.closed) == ("stop", 1)


class Stoppable(Stuck):
    """As Stuck, as a handler that can be stopped, while it handles a frame or while it starts."""

    def __init__(self, *, while_starting: bool = False, stop_fails: bool = False) -> None:
        super().__init__()
        self.handled = 0
        self._while_starting = while_starting
        self._stop_fails = stop_fails

    def start(self) -> None:
        if self._while_starting:
            self._wait()

    def handle(self, frame: Frame) -> list[Frame]:
        self.handled += 1
        self._wait()
        return [frame]

    def _wait(self) -> None:
        self(Frame())
        raise GuestError("was stopped")

    def stop(self) -> None:
        self.let_go.set()
        if self._stop_fails:
            raise RuntimeError("it did stop, though")

    def close(self) -> None:
        assert self.let_go.is_set()


@pytest.mark.parametrize("options", [{}, {"while_starting": True}, {"stop_fails": True}], ids=str)
@pytest.mark.parametrize("replicas", [1, 2])
def test_an_abort_stops_a_function_that_can_be_stopped_and_counts_its_frame(
    options: dict[str, bool], replicas: int
) -> None:
    handlers = [Stoppable(**options) for _ in range(replicas)]
    made, out = iter(handlers), Collect()
    node = function("f", same, "in", replicas=replicas, on_error=OnError("fail", retries=3))
    object.__setattr__(node, "open", lambda: next(made))
    with Run(graph(source("in", Script(10)), node, sink("o", out, "f")), drain_s=60, abort_s=60) as running:
        assert all(handler.holds.wait(PATIENCE_S) for handler in handlers)
        running.abort()
        assert running.wait(PATIENCE_S)
    stage = running.snapshot().check().stage("f")
    assert running.snapshot().ended == "stop"
    assert (stage.frames_out, stage.failed, stage.retried) == (0, 0, 0)
    assert stage.abandoned == stage.frames_in
    assert sum(handler.handled for handler in handlers) == (0 if options.get("while_starting") else replicas)


def test_a_handler_made_after_the_abort_is_not_started() -> None:
    opening, aborted = threading.Event(), threading.Event()
    handler = Stoppable(while_starting=True)

    def open_handler() -> Stoppable:
        opening.set()
        assert aborted.wait(PATIENCE_S)
        handler.let_go.set()
        return handler

    node = function("f", same, "in")
    object.__setattr__(node, "open", open_handler)
    with Run(graph(source("in", Script(10)), node)) as running:
        assert opening.wait(PATIENCE_S)
        running.abort()
        while not running._control.aborting:
            running.wait(0.005)
        aborted.set()
        assert running.wait(PATIENCE_S)
    assert (running.snapshot().check().ended, handler.holds.is_set()) == ("stop", False)


@pytest.mark.parametrize("kind", [SourceThread, DispatchThread, FunctionThread, SinkThread])
def test_no_thread_of_a_pipeline_hides_what_python_keeps_on_its_threads(kind: type[threading.Thread]) -> None:
    """Of this version of Python or a later one: ``_handle`` came with 3.13, ``_context`` with 3.14."""
    pythons = {name for name in dir(threading.Thread(target=print)) if not name.startswith("__")}
    pythons |= {"_handle", "_context", "_os_thread_handle"}
    ours = {name for cls in kind.__mro__ if cls.__module__.startswith("weft.") for name in vars(cls)}
    assert ours & pythons == {"run"}


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_function_that_never_returns_is_left_behind_and_named(replicas: int) -> None:
    stuck, out = Stuck(), Collect()
    nodes = graph(source("in", Script(100)), function("f", stuck, "in", replicas=replicas), sink("o", out, "in"))
    with Run(nodes, drain_s=0.01, abort_s=0.05) as running:
        assert stuck.holds.wait(PATIENCE_S)
        running.stop()
        assert running.wait(PATIENCE_S)
    stuck.let_go.set()
    assert isinstance(running.snapshot().error, PipelineError)
    assert "f did not stop within 0.05 s" in str(running.snapshot().error)
    assert out.closed == 1


def test_a_source_whose_close_hangs_does_not_hang_the_pipeline() -> None:
    released = threading.Event()

    class Sticky(Endless):
        def close(self) -> None:
            super().close()
            assert released.wait(PATIENCE_S)

    out = Collect()
    with Run(graph(source("in", Sticky()), sink("o", out, "in")), drain_s=0.01, abort_s=0.05) as running:
        assert out.some.wait(PATIENCE_S)
        running.stop()
        assert running.wait(PATIENCE_S)
    released.set()
    assert "in did not stop" in str(running.snapshot().error)


def test_leaving_the_block_early_ends_the_run() -> None:
    out = Collect()
    running = Run(graph(source("in", Endless()), sink("o", out, "in")))

    def leave_early() -> None:
        with running:
            assert out.some.wait(PATIENCE_S)
            raise KeyError

    with pytest.raises(KeyError):
        leave_early()
    assert running.snapshot().ended == "stop"
    assert out.closed == 1


def test_progress_is_called_until_the_end_and_signal_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    hold = Stuck()
    seen: list[str] = []

    def progress(summary: object) -> None:
        seen.append(summary.ended)
        hold.let_go.set()

    pipeline = Pipeline(sources=[source("in", Script(5))], functions=[function("f", hold, "in")])
    assert pipeline.run(progress, progress_s=0.01).ended == "end"
    assert seen[0] == "running"
    assert seen[-1] == "end"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_pipeline_runs_on_any_thread() -> None:
    summaries: list[object] = []
    pipeline = Pipeline(sources=[source("in", Script(5))])
    thread = threading.Thread(target=lambda: summaries.append(pipeline.run()))
    thread.start()
    thread.join(PATIENCE_S)
    assert [summary.ended for summary in summaries] == ["end"]


def test_the_summary_is_written_even_when_the_pipeline_fails(tmp_path: Path) -> None:
    def broken() -> None:
        raise PipelineError("no more")

    path = tmp_path / "summary.json"
    with pytest.raises(PipelineError, match="no more"):
        Pipeline(sources=[source("in", Script(1, at_end=broken))], name="belt").run(summary_path=path)
    written = json.loads(path.read_text())
    assert (written["pipeline"], written["ended"], written["error"]["what"]) == ("belt", "error", "no more")


CHILD = """
import sys, threading
from tests.flow.actors import Collect, Endless, function, same, sink, source
from weft.core.errors import WeftError
from weft.flow.pipeline import Pipeline

class Says(Collect):
    def write(self, frame):
        super().write(frame)
        if len(self.frames) == 1:
            print("running", flush=True)
    def close(self):
        super().close()
        print("closed", len(self.frames), flush=True)

once = threading.Lock()

class Belt(Endless):
    def close(self):
        if once.acquire(blocking=False):
            print("stopping", flush=True)
        super().close()

def work(frame):
    if sys.argv[2] == "stuck" and frame.sequence == 1:
        threading.Event().wait()
    return frame

pipeline = Pipeline(
    sources=[source("in", Belt())], functions=[function("f", work, "in")], sinks=[sink("o", Says(), "f")],
    drain_s=60, abort_s=0.1,
)
try:
    pipeline.run(summary_path=sys.argv[1])
except WeftError as error:
    sys.exit(error.exit_code)
"""


class Child:
    """A process that runs a pipeline until it gets a signal."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.path = folder / "summary.json"
        root = Path(__file__).parents[2]
        paths = os.pathsep.join([str(root), str(root / "src")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self.path), mode],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def expect(self, line: str) -> str:
        """The next line of output, which starts with ``line``."""
        said = self.process.stdout.readline().strip()
        assert said.startswith(line)
        return said

    def finish(self) -> dict:
        """Its summary, when it has ended."""
        self.process.communicate(timeout=PATIENCE_S)
        return json.loads(self.path.read_text())


@pytest.fixture
def child(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Child]:
    made = Child(tmp_path, request.param)
    yield made
    made.process.kill()
    made.process.communicate()


@pytest.mark.parametrize("child", ["free"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_closes_the_sinks_and_leaves_a_summary(child: Child, number: signal.Signals) -> None:
    child.expect("running")
    child.process.send_signal(number)
    child.expect("stopping")
    written = int(child.expect("closed ").split()[1])
    summary = child.finish()
    assert child.process.returncode == 0
    assert summary["ended"] == number.name
    assert [stage["out"] for stage in summary["stages"]] == [written] * 3


@pytest.mark.parametrize("child", ["stuck"], indirect=True)
def test_a_second_signal_aborts(child: Child) -> None:
    child.expect("running")
    child.process.send_signal(signal.SIGTERM)
    child.expect("stopping")
    child.process.send_signal(signal.SIGTERM)
    summary = child.finish()
    assert child.process.returncode == PipelineError.exit_code
    assert "f did not stop" in summary["error"]["what"]
    assert summary["stages"][1]["abandoned"] > 0
