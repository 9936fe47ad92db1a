"""A function is replaced while it runs: no frame is lost, done twice, or fails for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flow.actors import PATIENCE_S, Collect, Endless, Script, graph, sink, source
from weft.core.errors import GuestTrap, ModuleError, PipelineError, UsageError
from weft.core.frame import Frame
from weft.flow.executor import Run
from weft.flow.graph import FunctionNode, OnError
from weft.flow.swap import Swap


class Versioned:
    """A handler that writes its version into each frame, and knows whether it is open."""

    made: list[Versioned]

    def __init__(self, version: int, *, starts: bool = True) -> None:
        self.digest = f"v{version}"
        self.closed = 0
        self.handled: list[int] = []
        self.stopped = threading.Event()
        self._version = version
        self._starts = starts

    def start(self) -> None:
        if not self._starts:
            raise GuestTrap("its init trapped")

    def handle(self, frame: Frame) -> list[Frame]:
        assert not self.closed, "a closed handler got a frame"
        self.handled.append(frame.sequence)
        return [frame.derive(b"%d" % self._version, media_type="text/plain", stream="")]

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed += 1


class Holding(Versioned):
    """Holds its first frame until it is let go or stopped."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.holds = threading.Event()
        self.let_go = self.stopped

    def handle(self, frame: Frame) -> list[Frame]:
        self.holds.set()
        assert self.let_go.wait(PATIENCE_S)
        return super().handle(frame)


class Factory:
    """Opens handlers of one version and keeps them."""

    def __init__(self, version: int, kind: type[Versioned] = Versioned, **options: bool) -> None:
        self.made: list[Versioned] = []
        self._make = lambda: kind(version, **options)

    def __call__(self) -> Versioned:
        self.made.append(self._make())
        return self.made[-1]

    @property
    def closed(self) -> list[int]:
        return [handler.closed for handler in self.made]


class Gate(Script):
    """A source whose frames are let out one by one."""

    def __init__(self) -> None:
        super().__init__(0)
        self.length = None
        self._allowed = threading.Semaphore(0)
        self._closed = threading.Event()

    def let(self, count: int = 1) -> None:
        self._allowed.release(count)

    def frames(self) -> Iterator[Frame]:
        while self._allowed.acquire(timeout=PATIENCE_S) and not self._closed.is_set():
            yield Frame(b"", sequence=self.given)
            self.given += 1

    def close(self) -> None:
        super().close()
        self._closed.set()
        self._allowed.release()


class Awaited(Collect):
    """A sink one can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._more = threading.Condition()

    def write(self, frame: Frame) -> None:
        with self._more:
            super().write(frame)
            self._more.notify_all()

    def until(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.frames) >= count, PATIENCE_S)

    def until_version(self, version: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: self.versions[-1:] == [version], PATIENCE_S)

    @property
    def versions(self) -> list[int]:
        return [int(frame.payload) for frame in self.frames]


class States:
    """What a swap told, to wait for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._more = threading.Condition()

    def __call__(self, swap: Swap) -> None:
        with self._more:
            self.seen.append(swap.state)
            self._more.notify_all()

    def until(self, state: str) -> None:
        with self._more:
            assert self._more.wait_for(lambda: state in self.seen, PATIENCE_S), self.seen


def function(make: Factory, replicas: int = 1, **options: object) -> FunctionNode:
    return FunctionNode(name="f", open=make, inputs=("in",), replicas=replicas, **options)


def run(belt: Script, first: Factory, out: Collect, **options: object) -> Run:
    return Run(graph(source("in", belt), function(first, **options), sink("out", out, "f"))).start()


def test_the_new_version_takes_over_with_the_next_frame_and_the_old_one_is_closed() -> None:
    belt, out, old, new, states = Gate(), Awaited(), Factory(0), Factory(1), States()
    with run(belt, old, out) as running:
        belt.let(3)
        out.until(3)
        swap = running.swap("f", new, states)
        states.until("ready")
        assert (swap.frame, old.closed, swap.wait(0)) == (None, [0], False)
        belt.let(2)
        assert swap.wait(PATIENCE_S)
        out.until(5)
        assert (old.closed, new.closed) == ([1], [0])
        stage = running.snapshot().stage("f")
        assert (stage.swaps, stage.digest, stage.to_dict()["swaps"]) == (1, "v1", 1)
        running.stop()
        assert running.wait(PATIENCE_S)
    assert (out.versions, out.sequences) == ([0, 0, 0, 1, 1], [0, 1, 2, 3, 4])
    assert (new.closed, states.seen) == ([1], ["ready", "taken", "done"])
    assert (swap.check().frame, swap.number, swap.digest) == (3, 1, "v1")
    assert 0 <= swap.open_s <= swap.taken_s


@pytest.mark.parametrize("replicas", [1, 3])
def test_under_load_every_frame_is_handled_once_and_no_old_version_follows_a_new_one(replicas: int) -> None:
    belt, out = Endless(), Awaited()
    factories = [Factory(0)]
    with run(belt, factories[0], out, replicas=replicas) as running:
        for version in range(1, 11):
            factories.append(Factory(version))
            swap = running.swap("f", factories[-1])
            assert swap.wait(PATIENCE_S)
            assert swap.check().frame is not None
        running.stop()
        assert running.wait(PATIENCE_S)
    summary = running.snapshot().check()
    assert out.sequences == list(range(summary.stage("in").frames_out))
    assert out.versions == sorted(out.versions)
    assert out.versions[-1] == summary.stage("f").swaps == 10
    handled = sorted(number for factory in factories for handler in factory.made for number in handler.handled)
    assert handled == out.sequences
    assert [factory.closed for factory in factories] == [[1] * replicas] * 11


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (Factory(1, starts=False), GuestTrap, "its init trapped"),
        (lambda: 1 / 0, Exception, "unexpected ZeroDivisionError"),
    ],
)
def test_a_version_that_does_not_start_is_refused_and_the_old_one_goes_on(
    make: Factory, error: type[Exception], says: str
) -> None:
    belt, out, old = Gate(), Awaited(), Factory(0)
    with run(belt, old, out, replicas=2) as running:
        belt.let()
        out.until(1)
        swap = running.swap("f", make)
        assert swap.wait(PATIENCE_S)
        belt.let(3)
        out.until(4)
        assert running.snapshot().stage("f").swaps == 0
    assert out.versions == [0, 0, 0, 0]
    assert swap.state == "refused"
    with pytest.raises(error, match=says):
        swap.check()
    if isinstance(make, Factory):
        assert make.closed == [1]


def test_when_one_of_three_replicas_does_not_start_none_changes() -> None:
    belt, out, old, good = Gate(), Awaited(), Factory(0), Factory(1)

    def make() -> Versioned:
        if len(good.made) == 2:
            raise ModuleError("cut short")
        return good()

    with run(belt, old, out, replicas=3) as running:
        swap = running.swap("f", make)
        assert swap.wait(PATIENCE_S)
        belt.let(9)
        out.until(9)
    assert (set(out.versions), swap.state, good.closed) == ({0}, "refused", [1, 1])


def test_a_busy_replica_changes_after_its_frame_while_the_others_do_at_once() -> None:
    belt, out, new = Gate(), Awaited(), Factory(1)
    slow, quick = Holding(0), Versioned(0)
    first = iter([slow, quick])
    lock = threading.Lock()

    def old() -> Versioned:
        with lock:
            return next(first)

    with Run(
        graph(
            source("in", belt),
            FunctionNode(name="f", open=old, inputs=("in",), replicas=2),
            sink("out", out, "f"),
        )
    ).start() as running:
        while not slow.holds.is_set():
            belt.let()
            slow.holds.wait(0.01)
        swap = running.swap("f", new)
        while swap.frame is None:
            belt.let()
            swap.wait(0.01)
        assert swap.state == "taken"
        slow.let_go.set()
        while not swap.wait(0.01):
            belt.let()
        running.stop()
        assert running.wait(PATIENCE_S)
    assert out.versions == sorted(out.versions)
    assert out.sequences == list(range(len(out.frames)))
    assert (slow.closed, quick.closed, len(slow.handled)) == (1, 1, 1)


def test_two_quick_swaps_while_a_frame_hangs_leave_the_newer_one() -> None:
    belt, out, old, first, second = Gate(), Awaited(), Factory(0, Holding), Factory(1), Factory(2)
    with run(belt, old, out) as running:
        belt.let(2)
        while not old.made:
            running.wait(0.001)
        assert old.made[0].holds.wait(PATIENCE_S)
        states = States()
        one = running.swap("f", first, states)
        states.until("ready")
        states = States()
        two = running.swap("f", second, states)
        states.until("ready")
        old.made[0].let_go.set()
        assert one.wait(PATIENCE_S)
        assert two.wait(PATIENCE_S)
        out.until(2)
    assert out.versions == [0, 2]
    assert (one.state, one.frame, two.state, two.frame) == ("superseded", None, "done", 1)
    assert (old.closed, first.closed, first.made[0].handled) == ([1], [1], [])


def test_a_swap_that_opens_slower_than_the_one_after_it_does_not_bring_back_older_code() -> None:
    belt, out, slow, quick = Gate(), Awaited(), Factory(1), Factory(2)
    opens = threading.Event()

    def open_slowly() -> Versioned:
        assert opens.wait(PATIENCE_S)
        return slow()

    with run(belt, Factory(0), out) as running:
        one, two = running.swap("f", open_slowly), running.swap("f", quick)
        while two.state == "opening":
            two.wait(0.001)
        opens.set()
        assert one.wait(PATIENCE_S)
        belt.let()
        assert two.wait(PATIENCE_S)
        out.until(1)
    assert (one.state, two.state, out.versions, slow.closed) == ("superseded", "done", [2], [1])


def test_the_drain_of_a_stop_may_still_bring_in_a_new_version() -> None:
    belt, out, old, new, states = Gate(), Awaited(), Factory(0, Holding), Factory(1), States()
    with run(belt, old, out) as running:
        belt.let(4)
        while running.snapshot().stage("in").frames_out < 4:
            running.wait(0.001)
        running.stop()
        swap = running.swap("f", new, states)
        states.until("ready")
        old.made[0].let_go.set()
        assert running.wait(PATIENCE_S)
        assert swap.wait(PATIENCE_S)
    assert (out.versions, swap.state, new.closed) == ([0, 1, 1, 1], "done", [1])


def test_an_abort_closes_what_was_ready_and_never_used() -> None:
    belt, out, old, new, states = Gate(), Awaited(), Factory(0, Holding), Factory(1), States()
    with run(belt, old, out) as running:
        belt.let(3)
        while not old.made:
            running.wait(0.001)
        assert old.made[0].holds.wait(PATIENCE_S)
        swap = running.swap("f", new, states)
        states.until("ready")
        running.abort()
        assert running.wait(PATIENCE_S)
        assert swap.wait(PATIENCE_S)
    assert old.made[0].stopped.is_set()
    assert (old.closed, new.closed, new.made[0].handled, swap.state) == ([1], [1], [], "unused")


def test_a_version_still_being_made_when_the_run_ends_is_stopped_and_refused() -> None:
    belt, out, starting = Gate(), Awaited(), threading.Event()

    class Slow(Versioned):
        def start(self) -> None:
            starting.set()
            assert self.stopped.wait(PATIENCE_S)

    new = Factory(1, Slow)
    with run(belt, Factory(0), out) as running:
        swap = running.swap("f", new)
        assert starting.wait(PATIENCE_S)
        running.stop()
        assert running.wait(PATIENCE_S)
        assert swap.wait(PATIENCE_S)
    assert (swap.state, new.closed) == ("unused", [1])
    with pytest.raises(PipelineError, match="ended before its new version had a frame"):
        swap.check()


def test_a_swap_after_the_end_is_refused() -> None:
    new = Factory(1)
    with run(Script(2), Factory(0), Awaited()) as running:
        assert running.wait(PATIENCE_S)
    swap = running.swap("f", new)
    assert swap.wait(PATIENCE_S)
    assert (swap.state, new.made) == ("unused", [])


def test_a_swap_before_the_first_version_is_open_gives_every_frame_to_the_new_one() -> None:
    out, new, states, opens = Awaited(), Factory(1), States(), threading.Event()

    class Late(Versioned):
        def start(self) -> None:
            assert opens.wait(PATIENCE_S)

    old = Factory(0, Late)
    with run(Script(5), old, out) as running:
        swap = running.swap("f", new, states)
        states.until("ready")
        opens.set()
        assert running.wait(PATIENCE_S)
        assert swap.wait(PATIENCE_S)
    assert (out.versions, old.closed, new.closed) == ([1] * 5, [1], [1])


def test_an_old_version_that_does_not_close_is_told_and_costs_no_frame(caplog: pytest.LogCaptureFixture) -> None:
    class Sticky(Versioned):
        def close(self) -> None:
            raise OSError("device busy")

    belt, out = Gate(), Awaited()
    with run(belt, Factory(0, Sticky), out) as running:
        swap = running.swap("f", Factory(1))
        while not swap.wait(0.01):
            belt.let()
        running.stop()
        assert running.wait(PATIENCE_S)
    assert swap.state == "done"
    assert "did not close: device busy" in caplog.text
    assert out.sequences == list(range(len(out.frames)))


def test_the_first_error_of_a_new_version_is_news_again(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Versioned):
        def handle(self, frame: Frame) -> list[Frame]:
            raise GuestTrap(f"{self.digest} trapped")

    belt, out = Gate(), Awaited()
    with run(belt, Factory(0, Failing), out, on_error=OnError("stream", stream="f")) as running:
        belt.let(2)
        out.until(2)
        swap = running.swap("f", Factory(1, Failing))
        while swap.state == "opening":
            swap.wait(0.001)
        belt.let(2)
        out.until(4)
        assert running.snapshot().stage("f").errors == {"GuestTrap": (4, "v0 trapped")}
    assert [line for line in caplog.messages if "v0 trapped" in line] != []
    assert len([line for line in caplog.messages if "v1 trapped" in line]) == 1


def test_a_name_nobody_has_is_a_wrong_call() -> None:
    with run(Script(1), Factory(0), Awaited()) as running, pytest.raises(UsageError, match="no function 'g'"):
        running.swap("g", Factory(1))


@settings(max_examples=25, deadline=None)
@given(
    replicas=st.integers(1, 4),
    queue=st.integers(1, 5),
    steps=st.lists(st.sampled_from(["swap", "frames", "fail", "wait"]), max_size=12),
    ends=st.sampled_from(["stop", "abort", "leave"]),
)
def test_whatever_happens_in_whatever_order_frames_and_handlers_are_accounted_for(
    replicas: int, queue: int, steps: list[str], ends: str
) -> None:
    belt, out = Gate(), Awaited()
    factories = [Factory(0)]
    swaps: list[Swap] = []
    with run(belt, factories[0], out, replicas=replicas, queue_size=queue) as running:
        for step in steps:
            if step == "frames":
                belt.let(5)
            elif step == "wait":
                for swap in swaps[-1:]:
                    belt.let(replicas)
                    swap.wait(0.002)
            else:
                factories.append(Factory(len(factories), starts=step == "swap"))
                swaps.append(running.swap("f", factories[-1]))
        if ends != "leave":
            getattr(running, ends)()
            assert running.wait(PATIENCE_S)
    assert all(swap.wait(PATIENCE_S) for swap in swaps)
    summary = running.snapshot().check()
    stage = summary.stage("f")
    if ends == "stop":
        assert out.sequences == list(range(summary.stage("in").frames_out))
    assert stage.frames_in == stage.frames_out + stage.abandoned
    assert out.versions == sorted(out.versions)
    handlers = [handler for factory in factories for handler in factory.made]
    assert [handler.closed for handler in handlers] == [1] * len(handlers)
    handled = [number for handler in handlers for number in handler.handled]
    assert len(handled) == len(set(handled)) == stage.frames_out
