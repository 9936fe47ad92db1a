"""Closing gives everything back at once; what is dropped without closing goes too; nothing waits for a collector."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wasm.harness import Thread, settings
from weft.core.errors import GuestError
from weft.core.frame import Frame
from weft.core.limits import Limits
from weft.wasm import native
from weft.wasm.engine import engine
from weft.wasm.function import Function
from weft.wasm.instance import Instance

TRAPS_AT_START = (
    '(module (memory 1) (func $s unreachable) (start $s) (func (export "weft_handle") (result i32) (i32.const 0)))'
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is freed while this holds is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counting is all


def guest_memories() -> int:
    """Address space reserved for linear memories: wasmtime takes 4 GiB for each, and nobody else does."""
    with Path("/proc/self/maps").open() as maps:
        ranges = [line.split(maxsplit=1)[0].split("-") for line in maps]
    return sum(int(end, 16) - int(start, 16) > 2**31 for start, end in ranges)


def python_threads() -> set[threading.Thread]:
    return {
        thread for thread in threading.enumerate() if thread.name.startswith("weft-") and "watchdog" not in thread.name
    }


def wait_until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """wasmtime's own threads let go of what they read shortly after the guest ended."""
    until = time.monotonic() + seconds
    event = threading.Event()
    while not true() and time.monotonic() < until:
        event.wait(0.01)
    return true()


@pytest.mark.parametrize("kind", ["echo", "command", "stdio"])
def test_closing_many_handlers_leaves_no_file_thread_or_mapping(
    guest: Callable[[str], Path], thread: Thread, kind: str
) -> None:
    function = Function(guest(kind), settings())

    def one() -> None:
        handler = function.instance()
        assert [emitted.payload for emitted in handler.handle(Frame(b"hello"))] == [b"hello"]
        handler.close()

    for _ in range(5):
        thread(one)
    files, memories, before = open_files(), guest_memories(), python_threads()
    for _ in range(200):
        thread(one)
    assert wait_until(lambda: open_files() <= files + 2)
    assert guest_memories() <= memories
    assert python_threads() <= before


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("policy", ["reuse", "fresh"])
def test_an_instance_goes_when_it_is_closed(
    guest: Callable[[str], Path], thread: Thread, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    made: list[weakref.ref[Instance]] = []
    old = Instance.__init__

    def remember(self: Instance, *args: object, **options: object) -> None:
        made.append(weakref.ref(self))
        old(self, *args, **options)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(Instance, "__init__", remember)
    handler = Function(guest("echo"), settings(), policy=policy).instance()
    for _ in range(3):
        thread(handler.handle, Frame(b"x"))
    thread(handler.close)
    assert len(made) == (3 if policy == "fresh" else 1)
    assert [ref() for ref in made] == [None] * len(made)


def test_an_instance_that_fails_to_start_holds_nothing(wat: Callable[..., Path], thread: Thread) -> None:
    handler = Function(wat(TRAPS_AT_START), settings()).instance()
    gc.collect()
    memories = guest_memories()
    for _ in range(100):
        with pytest.raises(GuestError):
            thread(handler.handle, Frame(b""))
    gc.collect()
    assert guest_memories() <= memories


def test_handlers_that_are_dropped_without_closing_go_with_the_collector(
    guest: Callable[[str], Path], thread: Thread
) -> None:
    function = Function(guest("echo"), settings())
    gc.collect()
    printers = len(native.printers)

    def drop() -> None:
        function.instance().handle(Frame(b"x"))

    for _ in range(50):
        thread(drop)
    gc.collect()
    assert len(native.printers) == printers


def test_errors_hold_no_guest_memory(guest: Callable[[str], Path], thread: Thread) -> None:
    """Whoever keeps the errors of a thousand frames keeps words only."""
    handler = Function(guest("faults"), settings()).instance()
    gc.collect()
    errors, memories = [], guest_memories()
    for _ in range(50):
        with pytest.raises(GuestError) as caught:
            thread(handler.handle, Frame(b"divide"))
        errors.append(caught.value)
    assert len(errors) == 50
    assert guest_memories() <= memories


def test_the_watchdog_sleeps_when_no_guest_runs(
    guest: Callable[[str], Path], thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests that keep their limits are never interrupted."""
    rings: list[float] = []
    watchdog = engine().watchdog
    monkeypatch.setattr(watchdog, "interrupt", lambda: rings.append(time.monotonic()))
    handler = Function(guest("echo"), settings(limits=Limits(time=0.05))).instance()
    for _ in range(20):
        thread(handler.handle, Frame(b"x"))
    assert wait_until(lambda: watchdog._next == float("inf"))
    assert rings == []
    thread(handler.close)


def test_a_child_process_has_time_limits_of_its_own(guest: Callable[[str], Path], thread: Thread) -> None:
    """After a fork the parent's watchdog is gone."""
    watchdog = engine().watchdog
    watchdog.watch(self := object(), time.monotonic() + 100)
    watchdog.release(self)
    child = os.fork()
    if child == 0:
        rang = threading.Event()
        watchdog.interrupt = rang.set  # type: ignore[method-assign]  # in a child that ends here
        watchdog.watch(self, time.monotonic() + 0.02)
        os._exit(0 if rang.wait(5) else 1)
    assert os.waitpid(child, 0)[1] == 0
