"""A guest that wants too much fails its frame; the next one is handled, and the process lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wasm.harness import Driven
from weft.core.errors import (
    GuestError,
    GuestExit,
    GuestFailed,
    GuestTrap,
    MemoryLimitError,
    OutputLimitError,
    TimeLimitError,
)
from weft.core.limits import MIB, Limits

TIGHT = Limits(memory=32 * MIB, time=0.5, stdout=20_000, output=MIB, emits=20, logs=10)

FAULTS = [
    ("loop", TimeLimitError, "500 ms", "--timeout"),
    ("host-loop", TimeLimitError, "500 ms", "--timeout"),
    ("sleep", TimeLimitError, "500 ms", "--timeout"),
    ("bomb", MemoryLimitError, "32.0 MiB", "--memory"),
    ("recurse", GuestTrap, "stack of 512.0 KiB", "recurse less deeply"),
    ("divide", GuestTrap, "divided by zero", ""),
    ("abort", GuestTrap, "unreachable", "panic or abort"),
    ("exit", GuestExit, "exited with code 3", ""),
    ("exit-0", GuestExit, "exited with code 0", ""),
    ("touch", GuestTrap, "memory outside its own", ""),
    ("stdout", OutputLimitError, "printed more than 19.5 KiB", "limits.stdout"),
    ("stderr", OutputLimitError, "printed more than 19.5 KiB", "limits.stdout"),
    ("emit", OutputLimitError, "emitted more than 20 frames", "limits.emits"),
    ("emit-much", OutputLimitError, "emitted more than 1.0 MiB", "limits.output"),
]


@pytest.mark.parametrize("policy", ["reuse", "fresh"])
@pytest.mark.parametrize(("what", "error", "says", "cure"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_fails_its_frame_and_the_same_handler_handles_the_next(
    guest: Callable[[str], Path],
    drive: Callable[..., Driven],
    what: str,
    error: type[GuestError],
    says: str,
    cure: str,
    policy: str,
) -> None:
    faulty = drive(guest("faults"), policy=policy, name="faulty", limits=TIGHT)
    assert faulty(b"before") == [b"before"]
    with pytest.raises(error) as caught:
        faulty(what.encode())
    assert type(caught.value) is error
    assert caught.value.where == "faulty"
    assert says in caught.value.what
    assert cure in caught.value.cure
    assert faulty(b"after") == [b"after"]
    assert faulty.handler.replaced == 1


def test_a_refusal_in_good_order_keeps_the_instance(guest: Callable[[str], Path], drive: Callable[..., Driven]) -> None:
    faulty = drive(guest("faults"))
    with pytest.raises(GuestFailed, match="weft_handle returned 7; not this one"):
        faulty(b"refuse")
    before = faulty.instance
    assert faulty(b"after") == [b"after"]
    assert faulty.instance is before
    assert faulty.handler.replaced == 0


def test_a_memory_bomb_that_gives_up_quietly_is_no_failure(
    guest: Callable[[str], Path], drive: Callable[..., Driven]
) -> None:
    faulty = drive(guest("faults"), limits=TIGHT)
    assert faulty(b"bomb-ignored") == []
    assert faulty.instance.memory.size <= TIGHT.memory


def test_pointers_outside_memory_are_refused_one_by_one(
    guest: Callable[[str], Path], drive: Callable[..., Driven]
) -> None:
    assert drive(guest("faults"))(b"pointers") == []


def test_log_lines_over_the_limit_are_counted_and_said(
    guest: Callable[[str], Path], drive: Callable[..., Driven], caplog: pytest.LogCaptureFixture
) -> None:
    faulty = drive(guest("faults"), name="chatty", limits=TIGHT)
    with caplog.at_level("INFO", "weft.guest.chatty"):
        faulty(b"log")
        assert caplog.messages == ["again"] * TIGHT.logs
        assert faulty.instance.log.dropped == 990
        faulty(b"next")
    assert caplog.messages[-1] == "990 log lines dropped (limits.logs is 10)"


@pytest.mark.parametrize("seconds", [0.05, 1.3])
def test_time_limits_are_precise_below_and_above_a_second(
    wat: Callable[..., Path], drive: Callable[..., Driven], seconds: float
) -> None:
    endless = wat('(module (func (export "weft_handle") (result i32) (loop (br 0)) (i32.const 0)))')
    looping = drive(endless, limits=Limits(time=seconds))
    started = time.monotonic()
    with pytest.raises(TimeLimitError):
        looping()
    assert seconds <= time.monotonic() - started < seconds + 0.5


HANDLE = '(func (export "weft_handle") (result i32) (i32.const 0))'


@pytest.mark.parametrize(
    ("module", "error"),
    [
        (f"(module (func $s (loop (br 0))) (start $s) {HANDLE})", TimeLimitError),
        (f"(module (func $s unreachable) (start $s) {HANDLE})", GuestTrap),
        (f'(module (memory (export "memory") 100) {HANDLE})', MemoryLimitError),
        (f"(module (table 2000000 funcref) {HANDLE})", GuestError),
        (f'(module (func (export "_initialize") (loop (br 0))) {HANDLE})', TimeLimitError),
    ],
    ids=["endless-start", "trap-in-start", "too-much-memory", "too-large-table", "endless-initialize"],
)
def test_what_goes_wrong_at_the_start_is_said_for_every_frame(
    wat: Callable[..., Path], drive: Callable[..., Driven], module: str, error: type[GuestError]
) -> None:
    broken = drive(wat(module), name="broken", limits=Limits(memory=MIB, start=0.1))
    for _ in range(2):
        with pytest.raises(error) as caught:
            broken()
        assert caught.value.where == "broken"
    if error is TimeLimitError:
        assert "it has to start" in caught.value.what
        assert "limits.start" in caught.value.cure


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("loop", TimeLimitError, "100 ms it has to start"),
        ("trap", GuestTrap, "unreachable"),
        ("refuse", GuestFailed, "weft_init returned 4; the model is missing"),
    ],
)
def test_what_goes_wrong_in_init(
    guest: Callable[[str], Path], drive: Callable[..., Driven], what: str, error: type[GuestError], says: str
) -> None:
    broken = drive(guest("start"), config={"init": what}, limits=Limits(start=0.1))
    for _ in range(2):
        with pytest.raises(error, match=says):
            broken()
    assert drive(guest("start"))() == [b"ok"]


def test_memory_of_all_kinds_together_stays_in_the_limit(
    wat: Callable[..., Path], drive: Callable[..., Driven]
) -> None:
    """Several memories of the full size each would be several times the limit."""
    module = f'(module (memory 1) (memory (export "memory") 1) {HANDLE})'
    with pytest.raises(GuestError, match="memory"):
        drive(wat(module))()
