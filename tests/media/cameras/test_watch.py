"""The states of a camera, without one: every way through them, and what holds on all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import UnavailableError, UsageError
from weft.media.cameras.retry import Retry
from weft.media.cameras.watch import Order, Patience, State, Watch

LOST = UnavailableError("the stream broke off", cure="look at it")
PATIENCE = Patience(start=10, stall=5)


def watch(**retry: float) -> Watch:
    return Watch(PATIENCE, Retry(first=1, most=30, jitter=0, **retry), where="cam", chance=lambda: 0.5)  # type: ignore[arg-type]  # numbers as they come


def live(seconds: float = 0.0) -> Watch:
    """A watch whose camera has been live for so long."""
    made = watch()
    assert made.tick(0) is Order.START
    for now in range(int(seconds) + 1):
        made.picture(now)
    return made


def test_it_starts_when_it_is_first_asked() -> None:
    made = watch()
    assert (made.state, made.deadline) == (State.IDLE, None)
    assert made.tick(0) is Order.START
    assert (made.state, made.deadline, made.counters.connects) == (State.CONNECTING, 10, 1)


def test_the_first_picture_makes_it_live_and_each_one_buys_time() -> None:
    made = live()
    assert (made.state, made.deadline) == (State.LIVE, 5)
    made.picture(3)
    assert (made.deadline, made.tick(7.9), made.state) == (8, Order.WAIT, State.LIVE)


def test_silence_kills_the_decoder_once_and_its_death_is_waited_for() -> None:
    made = live()
    assert made.tick(5) is Order.KILL
    assert (made.state, made.deadline, made.counters.stalls) == (State.STALLED, None, 1)
    assert made.tick(1000) is Order.WAIT
    assert made.gone(1000, LOST) is Order.WAIT
    assert (made.state, made.deadline) == (State.BACKING_OFF, 1001)
    assert made.trouble is not None
    assert made.trouble.what == "no picture came for 5.0 s"
    assert made.tick(1001) is Order.START


def test_a_connection_without_a_picture_stalls_too() -> None:
    made = watch()
    made.tick(0)
    assert (made.tick(9.9), made.tick(10)) == (Order.WAIT, Order.KILL)
    assert made.trouble is not None
    assert made.trouble.what == "no first picture came for 10.0 s"


def test_waits_double_up_to_the_longest() -> None:
    made, now, waits = watch(), 0.0, []
    for _ in range(8):
        made.tick(now)
        made.gone(now, LOST)
        assert made.deadline is not None
        waits.append(made.deadline - now)
        now = made.deadline
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(("alive", "expected"), [(0, [1, 2, 4, 8]), (4, [1, 2, 4, 8]), (5, [1, 1, 1, 1])])
def test_a_camera_that_was_steady_is_tried_soon_again_and_one_that_flickers_is_not(
    alive: int, expected: list[float]
) -> None:
    made, now, waits = watch(), 0.0, []
    for _ in expected:
        assert made.tick(now) is Order.START
        for second in range(alive + 1):
            made.picture(now + second)
        made.gone(now + alive, LOST)
        assert made.deadline is not None
        waits.append(made.deadline - now - alive)
        now = made.deadline
    assert waits == expected


def test_trouble_is_forgotten_when_it_is_live_again() -> None:
    made = live()
    made.gone(1, LOST)
    assert made.trouble is LOST
    made.tick(10)
    assert made.trouble is LOST
    made.picture(10)
    assert (made.trouble, made.counters.reconnects) == (None, 1)


def test_who_was_away_missed_no_picture() -> None:
    made = live()
    made.resume(100)
    assert (made.tick(104), made.tick(105)) == (Order.WAIT, Order.KILL)


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_bounded_attempts_end_it_with_the_last_trouble(attempts: int) -> None:
    made, now = watch(attempts=attempts), 0.0
    for _ in range(attempts):
        made.tick(now)
        assert made.gone(now, LOST) is Order.WAIT
        now += 100
    made.tick(now)
    assert made.gone(now, LOST) is Order.GIVE_UP
    assert (made.state, made.trouble, made.tick(now + 100)) == (State.ENDED, LOST, Order.WAIT)


@pytest.mark.parametrize("wrong", [{"first": 0}, {"first": 9, "most": 8}, {"jitter": 1.1}, {"attempts": -1}])
def test_policies_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError) as caught:
        Retry(**wrong)  # type: ignore[arg-type]  # the mistake under test
    assert caught.value.cure


@given(
    first=st.floats(0.001, 100),
    factor=st.floats(1, 1000),
    jitter=st.floats(0, 1),
    failures=st.integers(1, 10_000),
    chance=st.floats(0, 1),
)
def test_a_wait_stays_within_its_bounds(first: float, factor: float, jitter: float, failures: int, chance: float):
    retry = Retry(first=first, most=first * factor, jitter=jitter)
    assert first * (1 - jitter) * 0.999 <= retry.delay(failures, chance) <= retry.most
    assert retry.delay(failures, chance) <= retry.delay(failures, 0)
    assert retry.delay(failures + 1, 0) >= retry.delay(failures, 0)


@dataclass
class World:
    """A decoder as the watch's orders make it: whether one runs, and whether it was killed."""

    runs: bool = False
    killed: bool = False


EVENTS = st.lists(
    st.tuples(st.sampled_from(["tick", "picture", "gone", "resume", "end"]), st.floats(0, 40)), max_size=60
)


@given(EVENTS, st.one_of(st.none(), st.integers(0, 3)))
def test_whatever_happens_one_decoder_runs_at_most_and_there_is_always_a_way_on(
    events: list[tuple[str, float]], attempts: int | None
) -> None:
    made = Watch(PATIENCE, Retry(attempts=attempts), chance=lambda: 0.3)
    world, now = World(), 0.0
    for event, later in [*events, ("tick", 0.0)]:
        now += later
        happen(made, world, event, now)
        assert world.runs == (made.state in {State.CONNECTING, State.LIVE, State.STALLED}) or made.state is State.ENDED
        assert world.killed == (made.state is State.STALLED) or made.state is State.ENDED
        if made.state in {State.CONNECTING, State.LIVE, State.BACKING_OFF}:
            assert made.deadline is not None
            assert math.isfinite(made.deadline)
            assert made.deadline - now <= 30
        else:
            assert made.deadline is None
        counters = made.counters
        assert counters.connects - 1 <= counters.failures <= counters.connects or counters.connects == 0
        assert counters.reconnects < max(counters.connects, 1)
        assert counters.stalls <= counters.failures + (made.state in {State.STALLED, State.ENDED})
    if made.state in {State.CONNECTING, State.LIVE}:
        assert made.deadline is not None
        assert made.tick(made.deadline) is Order.KILL
    if made.state is State.BACKING_OFF:
        assert made.deadline is not None
        assert made.tick(made.deadline) is Order.START


def happen(made: Watch, world: World, event: str, now: float) -> None:
    """One event, as far as it can happen to a world like this; its orders are carried out at once."""
    if event == "tick":
        order = made.tick(now)
        assert not (order is Order.START and world.runs)
        assert not (order is Order.KILL and world.killed)
        world.runs |= order is Order.START
        world.killed |= order is Order.KILL
    elif event == "picture" and world.runs and not world.killed:
        made.picture(now)
    elif event == "gone" and world.runs and made.state is not State.ENDED:
        made.gone(now, LOST)
        world.runs = world.killed = False
    elif event == "resume":
        made.resume(now)
    elif event == "end":
        made.end()
