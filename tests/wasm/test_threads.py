"""Many threads, each with a handler of its own: right results, and nobody gets another's errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.wasm.harness import Driven, settings
from weft.core.errors import GuestError, TimeLimitError
from weft.core.frame import Frame
from weft.core.limits import Limits
from weft.wasm.function import Function, FunctionHandler
from weft.wasm.instance import Instance
from weft.wasm.program import Program
from weft.wasm.source import load_module

ODD = """
(module
  (import "weft" "frame_read" (func $read (param i32 i32 i32) (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "weft" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (func (export "weft_handle") (result i32) (local $size i32) (local $kind i32)
    (local.set $size (call $read (i32.const 64) (i32.const 64) (i32.const 0)))
    (local.set $kind (i32.sub (i32.load8_u (i32.const 64)) (i32.const 48)))
    (if (i32.eq (local.get $kind) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then
      (call $log (i32.const 4) (i32.const 64) (local.get $size))
      (return (i32.const 9))))
    (if (i32.eq (local.get $kind) (i32.const 3)) (then (drop (i32.load (i32.const -1)))))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (local.get $size))))
"""
"""Echoes a payload that begins with 0; 1 traps, 2 refuses with its payload as the reason, 3 reads outside."""

UNREACHABLE = "it gave up (unreachable)"
THREADS, ROUNDS = 8, 500


def outcome(handler: FunctionHandler, payload: str) -> tuple[str, str]:
    """What comes of a frame, and the words."""
    try:
        (emitted,) = handler.handle(Frame(payload.encode()))
    except GuestError as error:
        return type(error).__name__, error.what
    return "emitted", emitted.payload.decode()


@pytest.mark.parametrize("policy", ["reuse", "fresh"])
def test_eight_threads_get_their_own_results_and_their_own_errors(wat: Callable[..., Path], policy: str) -> None:
    function = Function(wat(ODD), settings("odd"), policy=policy)

    def work(number: int) -> int:
        handler = function.instance()
        for round_ in range(ROUNDS):
            kind = (round_ + number) % 4
            payload = f"{kind} thread {number} round {round_}"
            got, words = outcome(handler, payload)
            assert (got, words) == {
                0: ("emitted", payload),
                1: ("GuestTrap", f"trapped: {UNREACHABLE}"),
                2: ("GuestFailed", f"weft_handle returned 9; {payload}"),
                3: ("GuestTrap", "trapped: it touched memory outside its own"),
            }[kind]
        handler.close()
        return handler.replaced

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(THREADS))) == [ROUNDS // 2] * THREADS


def test_a_time_limit_ends_the_slow_and_leaves_the_others(guest: Callable[[str], Path]) -> None:
    function = Function(guest("faults"), settings("faulty", limits=Limits(time=0.3)))

    def work(number: int) -> str:
        handler = function.instance()
        handler.handle(Frame(b"warm"))
        try:
            return str([handler.handle(Frame(b"loop" if number % 2 else b"fine"))[0].payload for _ in range(50)][-1])
        except TimeLimitError:
            return "ended"
        finally:
            handler.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == ["b'fine'", "ended", "b'fine'", "ended"]


@pytest.mark.parametrize("what", ["loop", "host-loop", "sleep", "stdout"])
def test_a_running_guest_is_stopped_from_another_thread(
    guest: Callable[[str], Path], drive: Callable[..., Driven], what: str
) -> None:
    driven = drive(guest("faults"), limits=Limits(time=float("inf"), stdout=2**40))
    driven(b"warm")
    instance = driven.instance
    running = threading.Event()
    with ThreadPoolExecutor(1) as pool:

        def handle() -> None:
            running.set()
            driven(what.encode())

        future = pool.submit(handle)
        running.wait(5)
        started = time.monotonic()
        instance.stop(GuestError("no longer wanted"))
        with pytest.raises(GuestError, match="no longer wanted") as caught:
            future.result(5)
    assert time.monotonic() - started < 2
    assert caught.value.where == "guest"
    assert driven(b"after") == [b"after"]


def test_a_stop_between_two_calls_is_seen_by_the_next(
    guest: Callable[[str], Path], drive: Callable[..., Driven]
) -> None:
    driven = drive(guest("echo"))
    driven(b"one")
    driven.instance.stop(GuestError("no longer wanted"))
    with pytest.raises(GuestError, match="no longer wanted"):
        driven(b"two")
    assert driven(b"three") == [b"three"]
    assert driven.handler.replaced == 1


def test_a_start_function_may_call_the_host_with_memory(wat: Callable[..., Path], drive: Callable[..., Driven]) -> None:
    """As AssemblyScript's do; and the host module made then works on the same memory later."""
    module = """
    (module
      (import "weft" "config_get" (func $config (param i32 i32 i32 i32) (result i32)))
      (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "key")
      (func $s (drop (call $config (i32.const 0) (i32.const 3) (i32.const 64) (i32.const 5))))
      (start $s)
      (func (export "weft_handle") (result i32)
        (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 5))))
    """
    driven = drive(wat(module), config={"key": "value"})
    assert driven() == [b"value"]
    assert driven() == [b"value"]


def test_memory_that_grows_is_seen_at_once(wat: Callable[..., Path], drive: Callable[..., Driven]) -> None:
    module = """
    (module
      (import "weft" "frame_read" (func $read (param i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $copy (result i32) (call $read (i32.const 65536) (i32.const 4) (i32.const 0)))
      (func (export "weft_handle") (result i32)
        (if (i32.ne (call $copy) (i32.const -1)) (then (return (i32.const 1))))
        (drop (memory.grow (i32.const 1)))
        (if (i32.ne (call $copy) (i32.const 4)) (then (return (i32.const 2))))
        (i32.ne (i32.load (i32.const 65536)) (i32.const 0x64636261))))
    """
    driven = drive(wat(module), policy="fresh")
    assert driven(b"abcd") == []


def test_an_instance_that_is_closed_says_so_and_touches_nothing(
    guest: Callable[[str], Path], thread: Callable[..., object]
) -> None:
    instance = thread(Instance, Program(load_module(guest("echo")), settings()))
    assert isinstance(instance, Instance)
    assert instance.memory.size > 0
    thread(instance.close)
    thread(instance.close)
    assert instance.memory.size == 0
    with pytest.raises(Exception, match="is closed"):
        thread(instance.call, "weft_handle", "time")
    with pytest.raises(Exception, match="outside the guest's 0 bytes"):
        instance.memory.view(0, 1)
