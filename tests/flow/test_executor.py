"""Pipelines with real threads: shapes, order, drops, back-pressure, numbers."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flow.actors import PATIENCE_S, Collect, Script, function, graph, same, sink, source
from weft.core.errors import GuestTrap
from weft.core.frame import Frame
from weft.flow.executor import Run
from weft.flow.graph import FunctionNode, OnError
from weft.flow.pipeline import Pipeline
from weft.flow.summary import Summary
from weft.flow.wiring import WINDOW_PER_REPLICA


def run(*nodes: object) -> Summary:
    """Run the nodes to their end."""
    with Run(graph(*nodes)) as running:
        assert running.wait(PATIENCE_S)
        return running.snapshot().check()


def test_a_line_passes_every_frame_in_order() -> None:
    out = Collect()
    belt = Script(100)
    summary = run(source("in", belt), function("f", same, "in"), sink("out", out, "f"))
    assert out.sequences == list(range(100))
    assert {frame.stream for frame in out.frames} == {"f"}
    assert (summary.ended, out.closed, belt.closed) == ("end", 1, 1)
    assert [(s.name, s.frames_in, s.frames_out) for s in summary.stages] == [
        ("in", 100, 100),
        ("f", 100, 100),
        ("out", 100, 100),
    ]


def test_a_source_straight_to_a_sink_with_no_frame_at_all() -> None:
    out = Collect()
    summary = run(source("in", Script(0)), sink("out", out, "in"))
    assert (summary.ended, out.frames, out.closed) == ("end", [], 1)


def test_a_pipeline_without_sinks_ends() -> None:
    assert run(source("in", Script(5)), function("f", same, "in")).stage("f").frames_out == 5


def test_fan_out_fan_in_and_a_diamond() -> None:
    out = Collect()
    run(
        source("a", Script(20), stream="cam/a"),
        source("b", Script(30), stream="cam/b"),
        function("left", same, "cam/*"),
        function("right", same, "cam/*"),
        function("join", same, "left", "right", outputs=("joined",)),
        sink("out", out, "joined", "cam/a"),
    )
    assert out.of("cam/a") == list(range(20))
    assert sorted(out.of("joined")) == sorted(2 * [*range(20), *range(30)])


def test_a_function_may_emit_none_or_many_to_several_streams() -> None:
    def split(frame: Frame) -> list[Frame]:
        streams = ["even", "even"] if frame.sequence % 2 == 0 else []
        return [frame.derive(b"x", media_type="text/plain", stream=stream) for stream in [*streams, "all"]]

    evens, everything = Collect(), Collect()
    run(
        source("in", Script(6)),
        function("f", split, "in", outputs=("even", "all")),
        sink("evens", evens, "even"),
        sink("everything", everything, "all"),
    )
    assert evens.sequences == [0, 0, 2, 2, 4, 4]
    assert everything.sequences == list(range(6))


def test_a_frame_handed_through_is_not_renamed_for_others() -> None:
    seen = Collect()
    run(source("in", Script(50)), function("f", same, "in"), sink("out", seen, "in", "f"))
    assert seen.of("in") == seen.of("f") == list(range(50))


class PairsSwapped:
    """Shared by two replicas: every even frame ends only after the odd one behind it has begun."""

    def __init__(self, count: int) -> None:
        self.begun = [threading.Event() for _ in range(count + 1)]
        self.begun[count].set()

    def __call__(self, frame: Frame) -> Frame:
        self.begun[frame.sequence].set()
        if frame.sequence % 2 == 0:
            assert self.begun[frame.sequence + 1].wait(PATIENCE_S)
        return frame


def test_replicas_keep_the_order_when_every_other_frame_is_overtaken() -> None:
    out = Collect()
    run(source("in", Script(40)), function("f", PairsSwapped(40), "in", replicas=2), sink("out", out, "f"))
    assert out.sequences == list(range(40))


def test_replicas_keep_the_order_per_source_with_random_work_failures_and_empty_outputs() -> None:
    chance = random.Random(3)

    def work(frame: Frame) -> Frame | None:
        time.sleep(chance.random() / 1000)
        return None if frame.sequence % 7 == 3 else frame

    out = Collect()
    run(
        source("a", Script(60), stream="cam/a"),
        source("b", Script(60), stream="cam/b"),
        function("f", lambda frame: tag(work(frame)), "cam/*", replicas=4, outputs=("a", "b"), queue_size=3),
        sink("out", out, "a", "b", queue_size=1),
    )
    expected = [number for number in range(60) if number % 7 != 3]
    assert out.of("a") == expected
    assert out.of("b") == expected


def tag(frame: Frame | None) -> Frame | None:
    """The frame on a stream that says which source it came from."""
    return frame and frame.derive(b"", media_type="text/plain", stream=frame.stream.removeprefix("cam/"))


def test_nobody_runs_ahead_of_a_slow_frame_beyond_the_window() -> None:
    replicas = 3
    window = WINDOW_PER_REPLICA * replicas
    others_done = threading.Semaphore(0)
    too_far = threading.Event()
    first_done = threading.Event()

    def work(frame: Frame) -> Frame:
        if frame.sequence == 0:
            assert all(others_done.acquire(timeout=PATIENCE_S) for _ in range(window - 1))
            assert not too_far.wait(0.02)
            first_done.set()
            return frame
        if frame.sequence >= window and not first_done.is_set():
            too_far.set()
        others_done.release()
        return frame

    out = Collect()
    run(source("in", Script(100)), function("f", work, "in", replicas=replicas), sink("out", out, "f"))
    assert not too_far.is_set()
    assert out.sequences == list(range(100))


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_a_live_source_drops_and_counts_where_the_queue_says_so(overflow: str) -> None:
    all_given = threading.Event()

    def work(frame: Frame) -> Frame:
        assert all_given.wait(PATIENCE_S)
        return frame

    out = Collect()
    summary = run(
        source("cam", Script(200, live=True, at_end=all_given.set)),
        function("f", work, "cam", queue_size=4, overflow=overflow),
        sink("out", out, "f"),
    )
    stage = summary.stage("f")
    assert stage.frames_in == 200
    assert stage.dropped == 200 - len(out.frames)
    assert len(out.frames) in (4, 5)
    assert out.sequences == sorted(out.sequences)
    assert (199 in out.sequences) is (overflow == "drop_oldest")


def test_a_live_source_with_a_queue_of_its_own_is_read_while_functions_are_busy() -> None:
    all_given = threading.Event()

    def work(frame: Frame) -> Frame:
        assert all_given.wait(PATIENCE_S)
        return frame

    out = Collect()
    camera = source("cam", Script(200, live=True, at_end=all_given.set), queue_size=2, overflow="drop_oldest")
    summary = run(camera, function("f", work, "cam", queue_size=1), sink("out", out, "f"))
    stage = summary.stage("cam")
    assert (stage.frames_in, stage.frames_out) == (200, 200 - stage.dropped)
    assert stage.dropped > 190
    assert summary.stage("f").dropped == 0
    assert out.sequences[-1] == 199
    assert len(out.frames) == stage.frames_out


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "drop_newest"])
def test_a_file_is_never_dropped_and_read_no_further_than_the_queues_hold(overflow: str) -> None:
    belt = Script(300)
    furthest = 0

    class Slow(Collect):
        def write(self, frame: Frame) -> None:
            nonlocal furthest
            super().write(frame)
            furthest = max(furthest, belt.given - len(self.frames))

    out = Slow()
    summary = run(
        source("in", belt),
        function("f", same, "in", queue_size=3, overflow=overflow),
        sink("out", out, "f", queue_size=2, overflow=overflow),
    )
    assert out.sequences == list(range(300))
    assert sum(stage.dropped for stage in summary.stages) == 0
    held_by_threads = 3
    assert furthest <= 3 + 2 + held_by_threads


def test_each_handler_lives_on_one_thread() -> None:
    class Bound:
        def __init__(self) -> None:
            self.thread = threading.get_ident()
            closed.append(False)
            self.number = len(closed) - 1

        def handle(self, frame: Frame) -> Sequence[Frame]:
            assert threading.get_ident() == self.thread
            return ()

        def close(self) -> None:
            assert threading.get_ident() == self.thread
            closed[self.number] = True

    closed: list[bool] = []
    run(source("in", Script(50)), FunctionNode(name="f", open=Bound, inputs=("in",), replicas=3))
    assert closed == [True, True, True]


def test_no_frame_is_read_before_every_handler_and_sink_is_there() -> None:
    ready: list[str] = []
    seen: list[list[str]] = []
    last = threading.Event()

    class Watched(Script):
        def frames(self):
            seen.append(sorted(ready))
            return super().frames()

    class Late:
        handle = staticmethod(lambda frame: ())
        close = staticmethod(lambda: None)

        def __init__(self) -> None:
            assert last.wait(PATIENCE_S)
            ready.append("late")

    class Early(Late):
        def __init__(self) -> None:
            ready.append("early")
            last.set()

    class Out(Collect):
        def open(self) -> Collect:
            assert sorted(ready) == ["early", "late"]
            ready.append("out")
            return super().open()

    run(
        source("in", Watched(1)),
        FunctionNode(name="late", open=Late, inputs=("in",)),
        FunctionNode(name="early", open=Early, inputs=("in",)),
        sink("out", Out(), "in"),
    )
    assert seen == [["early", "late", "out"]]


def test_a_snapshot_shows_what_is_done_so_far() -> None:
    reached, go_on = threading.Event(), threading.Event()

    def work(frame: Frame) -> Frame:
        if frame.sequence == 10:
            reached.set()
            assert go_on.wait(PATIENCE_S)
        return frame

    with Run(graph(source("in", Script(20)), function("f", work, "in")), name="p") as running:
        assert reached.wait(PATIENCE_S)
        now = running.snapshot()
        assert (now.ended, now.error, now.name) == ("running", None, "p")
        assert (now.stage("f").frames_out, now.stage("in").length) == (10, 20)
        go_on.set()
        assert running.wait(PATIENCE_S)
    assert running.snapshot().stage("f").frames_out == 20


def test_latency_busy_time_and_age_are_measured() -> None:
    def work(frame: Frame) -> Frame:
        time.sleep(0.002)
        return frame

    summary = run(source("in", Script(20)), function("f", work, "in"), sink("out", Collect(), "f"))
    stage, out = summary.stage("f"), summary.stage("out")
    assert stage.latency.count == 20
    assert stage.latency.p50 >= 0.0019
    assert stage.busy_s >= 0.04
    assert out.end_to_end.p50 >= stage.latency.p50


def test_the_age_of_a_live_frame_counts_from_when_it_was_taken() -> None:
    class Old(Script):
        def frames(self):
            yield Frame(b"", time_ns=time.time_ns() - 5_000_000_000)

    live = run(source("cam", Old(1, live=True)), sink("out", Collect(), "cam")).stage("out")
    assert live.end_to_end.p50 == pytest.approx(5.0, rel=0.05)
    file = run(source("in", Old(1)), sink("out", Collect(), "in")).stage("out")
    assert file.end_to_end.p50 < 4.0


def test_the_summary_is_plain_data_and_rows() -> None:
    summary = run(source("in", Script(3)), function("f", same, "in"), sink("out", Collect(), "f"))
    data = json.loads(json.dumps(summary.to_dict()))
    assert [stage["name"] for stage in data["stages"]] == ["in", "f", "out"]
    assert data["stages"][1]["in"] == data["stages"][1]["out"] == 3
    assert set(data["stages"][1]["latency_ms"]) == {"p50", "p95", "p99", "max"}
    assert data["stages"][2]["end_to_end_ms"]["p99"] > 0
    assert data["error"] is None
    assert all(len(row) == len(summary.HEADINGS) for row in summary.rows())


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(0, 25), min_size=1, max_size=3),
    replicas=st.integers(1, 4),
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    fails=st.frozensets(st.integers(0, 25)),
    policy=st.sampled_from([OnError(), OnError("stream", stream="errors"), OnError(retries=2)]),
)
def test_whatever_the_shape_nothing_is_lost_doubled_or_out_of_order(
    counts: list[int], replicas: int, sizes: tuple[int, int, int], fails: frozenset[int], policy: OnError
) -> None:
    def work(frame: Frame) -> Frame:
        if frame.sequence in fails:
            raise GuestTrap("unreachable")
        return frame.derive(frame.stream.encode(), media_type="text/plain", stream="")

    out = Collect()
    summary = run(
        *(source(f"s{number}", Script(count), stream=f"cam/{number}") for number, count in enumerate(counts)),
        function("f", work, "cam/*", replicas=replicas, queue_size=sizes[0], on_error=policy),
        function("g", same, "f", queue_size=sizes[1], replicas=replicas),
        sink("out", out, "g", queue_size=sizes[2]),
    )
    for number, count in enumerate(counts):
        own = [frame.sequence for frame in out.frames if frame.payload == b"cam/%d" % number]
        assert own == [sequence for sequence in range(count) if sequence not in fails]
    stage = summary.stage("f")
    failed = sum(sequence in fails for count in counts for sequence in range(count))
    assert (stage.frames_in, stage.failed, stage.retried) == (sum(counts), failed, failed * policy.retries)
    records = failed if policy.action == "stream" else 0
    assert stage.frames_out == sum(counts) - failed + records


def test_a_pipeline_runs_again() -> None:
    out = Collect()
    pipeline = Pipeline(sources=[source("in", Script(5))], sinks=[sink("out", out, "in")])
    assert pipeline.run().ended == pipeline.run().ended == "end"
    assert out.sequences == 2 * list(range(5))
