"""A component that wants too much fails its frame; the next one is handled, and the process lives."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from tests.component.guests import ECHO, NOTHING, RET_AT, component, text
from tests.wasm.harness import Driven
from weft.core.errors import (
    GuestError,
    GuestFailed,
    GuestTrap,
    MemoryLimitError,
    OutputLimitError,
    TimeLimitError,
)
from weft.core.limits import MIB, Limits

Guest = Callable[..., Driven]
TIGHT = Limits(memory=16 * MIB, time=0.3, start=0.3, output=MIB, emits=20, handles=8, logs=5)
FIRST = f"(call $text {RET_AT}) (if (i32.ne (i32.load8_u (call $ret #0)) #33) (then {ECHO} (return (call $ok))))"
"""Only a payload that starts with "!" goes on; any other is echoed."""

LOOP = "(loop $l (br $l))"
EMPTY_TENSOR = f"#768 #1 #4 {NOTHING}"
FAULTS = {
    "loop": (LOOP, "", TimeLimitError, "ran longer than its 300 ms", "--timeout"),
    "host loop": ("(loop $l (drop (call $size)) (br $l))", "", TimeLimitError, "300 ms", "--timeout"),
    "sleep": ("(call $block (call $sleep_for (i64.const 3600000000000)))", "", TimeLimitError, "300 ms", "--timeout"),
    "poll": (
        "(i32.store #768 (call $sleep_for (i64.const -1))) (call $poll #768 #1 #512)",
        "",
        TimeLimitError,
        "300 ms",
        "--timeout",
    ),
    "recurse": ("(call $deep)", "(func $deep (call $deep) (call $deep))", GuestTrap, "stack of 512.0 KiB", "recurse"),
    "divide": ("(drop (i32.div_u #1 (local.get $i)))", "", GuestTrap, "divided by zero", ""),
    "touch": ("(drop (i32.load #-8))", "", GuestTrap, "memory outside its own", ""),
    "emit": (
        f"(loop $l (call $emit_text {NOTHING} {NOTHING} {NOTHING} {RET_AT}) (br $l))",
        "",
        OutputLimitError,
        "more than 20 frames",
        "limits.emits",
    ),
    "emit much": (
        f"(drop (memory.grow #32)) (call $emit {NOTHING} {NOTHING} #0 #1048577 {RET_AT})",
        "",
        OutputLimitError,
        "more than 1.0 MiB",
        "limits.output",
    ),
    "long list": (
        f"(drop (memory.grow #128)) (call $emit {NOTHING} {NOTHING} #0 #8000000 {RET_AT})",
        "",
        GuestTrap,
        "too long for one call",
        "emit-latin1",
    ),
    "handles": (
        f"(loop $l (drop (call $new_tensor {EMPTY_TENSOR})) (br $l))",
        "",
        GuestError,
        "8 handles are open",
        "limits.handles",
    ),
    "tensor that does not fit": (
        f"(drop (call $new_tensor #1024 #1 #1 {NOTHING}))",
        "",
        GuestError,
        "do not fill f32",
        "",
    ),
    "no such handle": ("(drop (call $error_code #77))", "", GuestTrap, "unknown handle index 77", ""),
    "pointer outside": (f"(call $config #-4 #8 {RET_AT})", "", GuestTrap, "out of bounds", ""),
    "no UTF-8": (f"(call $config {text(0, 2)} {RET_AT})", "", GuestTrap, "utf-8", ""),
}


@pytest.mark.parametrize("policy", ["reuse", "fresh"])
@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_fails_its_frame_and_the_same_handler_handles_the_next(guest: Guest, what: str, policy: str) -> None:
    code, more, error, says, cure = FAULTS[what]
    faulty = guest(f"{FIRST} {code}", more=more, data=["\\ff\\fe"], policy=policy, name="faulty", limits=TIGHT)
    assert faulty(b"before") == [b"before"]
    started = time.monotonic()
    with pytest.raises(error) as caught:
        faulty(b"!")
    assert time.monotonic() - started < 5
    assert caught.value.where == "faulty"
    assert says in caught.value.what
    assert cure in caught.value.cure
    assert [faulty(b"after"), faulty(b"again")] == [[b"after"], [b"again"]]


def test_memory_stops_growing_at_its_limit(guest: Guest) -> None:
    grown = """(loop $l (br_if $l (i32.ne #-1 (memory.grow #1))))
      (i32.store #768 (memory.size))"""
    code = f"{grown} (call $emit {NOTHING} {NOTHING} #768 #4 {RET_AT})"
    [size] = guest(code, limits=TIGHT)(b"")
    assert int.from_bytes(size, "little") * 65536 == 16 * MIB


def test_a_memory_that_is_too_large_at_its_start_is_told(guest: Guest) -> None:
    with pytest.raises(MemoryLimitError, match=r"16\.0 MiB"):
        guest(ECHO, pages=300, limits=TIGHT)(b"")


def test_several_memories_share_the_limit(write: Callable[..., object], drive: Callable[..., Driven]) -> None:
    second = '(core module $more (memory (export "memory") 200)) (core instance (instantiate $more))'
    wat = component(ECHO).replace("(core module $main", f"{second} (core module $main")
    assert drive(write(wat), limits=Limits(memory=32 * MIB))(b"a") == [b"a"]
    with pytest.raises(MemoryLimitError):  # 200 pages are 12.5 MiB; each of the two has 8
        drive(write(wat), limits=TIGHT)(b"a")


def test_a_module_instantiated_more_often_than_it_is_there_runs_out_of_memories(
    write: Callable[..., object], drive: Callable[..., Driven]
) -> None:
    copies = "(core instance (instantiate $memory))" * 3
    wat = component(ECHO).replace("(core module $main", f"{copies} (core module $main")
    with pytest.raises(GuestError, match="resource limit exceeded: memory"):
        drive(write(wat), limits=TIGHT)(b"a")


def test_a_start_that_takes_too_long_ends(guest: Guest) -> None:
    for part in ("init", "start"):
        with pytest.raises(TimeLimitError, match="the 300 ms it has to start"):
            guest(ECHO, limits=TIGHT, **{part: LOOP})(b"")


def test_log_lines_over_the_limit_are_dropped_and_counted(guest: Guest, caplog: pytest.LogCaptureFixture) -> None:
    loop = f"""(loop $l (call $log #2 {NOTHING} {text(0, 1)})
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) #1)) #9)))"""
    noisy = guest(loop, data=["x"], name="noisy", limits=TIGHT)
    with caplog.at_level(logging.INFO, logger="weft.guest.noisy"):
        noisy(b"")
        noisy.close()
    assert [record.getMessage() for record in caplog.records].count("x") == 5


def test_a_dropped_handle_makes_room(guest: Guest) -> None:
    loop = f"""(loop $l (call $drop_tensor (call $new_tensor {EMPTY_TENSOR}))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) #1)) #100)))"""
    assert guest(loop, limits=TIGHT)(b"") == []


def test_tensors_count_against_the_memory_limit_and_are_let_go_with_the_instance(guest: Guest) -> None:
    keep = f"""(i32.store #768 #1000000)
      (drop (call $new_tensor #768 #1 #4 #0 #1000000)) {ECHO}"""
    hoard = guest(keep, pages=32, limits=Limits(memory=16 * MIB, handles=8))
    for _ in range(2):
        assert [hoard(b"a") for _ in range(8)] == [[b"a"]] * 8
        with pytest.raises(GuestError, match="8 handles are open"):
            hoard(b"a")
    shared = f"""(i32.store #768 #1000000)
      (local.set $t (call $new_tensor #768 #1 #4 #0 #1000000))
      (loop $l (call $share (local.get $t) {RET_AT})
        (if (i32.load8_u {RET_AT}) (then (return (call $fail (call $ret #8) (call $ret #12)))))
        (br $l))"""
    with pytest.raises(GuestFailed, match="held by the host"):
        guest(shared, pages=32, limits=Limits(memory=16 * MIB, handles=1000))(b"")


def test_a_stopped_handler_ends_its_guest_also_where_it_waits(guest: Guest) -> None:
    from concurrent.futures import ThreadPoolExecutor

    slow = guest(f"{FIRST} (call $block (call $sleep_for (i64.const 3600000000000)))", limits=Limits(time=60))
    assert slow(b"a") == [b"a"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow, b"!")
        while slow.handler._guest is None or slow.instance.frame.payload != b"!":
            time.sleep(0)
        slow.handler.stop()
        with pytest.raises(GuestError, match="stopped with its pipeline"):
            waiting.result(5)


def test_a_wait_that_ends_in_time_is_waited_for(guest: Guest) -> None:
    code = f"""(i32.store #768 (call $sleep_for (i64.const 60000000000)))
      (i32.store #772 (call $sleep_for (i64.const 120000000)))
      (call $poll #768 #2 {RET_AT})
      (call $emit {NOTHING} {NOTHING} (call $ret #0) (i32.shl (call $ret #4) #2) #528)"""
    started = time.monotonic()
    assert guest(code)(b"") == [(1).to_bytes(4, "little")]
    assert 0.12 <= time.monotonic() - started < 5


def test_a_list_of_handles_may_be_long(guest: Guest) -> None:
    code = f"""(i32.store #70000 (call $sleep_for (i64.const 0)))
      (loop $l (local.set $i (i32.add (local.get $i) #4))
        (i32.store (i32.add #70000 (local.get $i)) (i32.load #70000))
        (br_if $l (i32.lt_u (local.get $i) #40000)))
      (call $poll #70000 #10000 {RET_AT})
      (i32.store #768 (call $ret #4))
      (call $emit {NOTHING} {NOTHING} #768 #4 #528)"""
    assert guest(code)(b"") == [(10000).to_bytes(4, "little")]


def test_an_empty_poll_traps_as_wasi_says(guest: Guest) -> None:
    with pytest.raises(GuestTrap):
        guest(f"(call $poll #768 #0 {RET_AT})")(b"")
