"""Stopping a handler: whatever its guest is doing ends at once, and none starts any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import weft
from tests.guests.build import GUESTS, compile_guest, shared_folder
from weft.core.errors import GuestError
from weft.core.frame import Frame
from weft.core.limits import Limits
from weft.flow.functions import FunctionOptions, load_function
from weft.wasm.function import FunctionHandler

PATIENCE_S = 20.0
HOUR = Limits(time=3600, start=3600)

LOG = '(import "weft" "log" (func $log (param i32 i32 i32)))'
WRITE = '(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))'
SAY = "(call $log (i32.const 2) (i32.const 0) (i32.const 2))"
MEMORY = (
    '(memory (export "memory") 1) (data (i32.const 0) "on\\n") (data (i32.const 16) "\\00\\00\\00\\00\\03\\00\\00\\00")'
)
ENDLESS = "(loop $more (br $more))"
CASES = {
    "handle": f'(module {LOG} {MEMORY} (func (export "weft_handle") (result i32) {SAY} {ENDLESS} (i32.const 0)))',
    "init": f"""(module {LOG} {MEMORY}
        (func (export "weft_init") (result i32) {SAY} {ENDLESS} (i32.const 0))
        (func (export "weft_handle") (result i32) (i32.const 0)))""",
    "start": f"""(module {LOG} {MEMORY} (func $go {SAY} {ENDLESS}) (start $go)
        (func (export "weft_handle") (result i32) (i32.const 0)))""",
    "command": f'(module {LOG} {MEMORY} (func (export "_start") {SAY} {ENDLESS}))',
    "stdio": f"""(module {WRITE} {MEMORY} (func (export "weft_stdio"))
        (func (export "_start")
          (drop (call $write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 24))) {ENDLESS}))""",
}


class Said(logging.Handler):
    """Tells when a guest has said that it is on."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.set()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture(autouse=True)
def _listening(said: Said) -> None:
    logger = logging.getLogger("weft.guest")
    logger.addHandler(said)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(level)
    logger.removeHandler(said)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., FunctionHandler]:
    def handler(text: str) -> FunctionHandler:
        (tmp_path / "guest.wat").write_text(text)
        return load_function(tmp_path / "guest.wat", FunctionOptions(limits=HOUR)).instance()

    return handler


class Call(threading.Thread):
    """Handles a frame on a thread of its own, and keeps what came of it."""

    def __init__(self, handler: FunctionHandler) -> None:
        super().__init__(daemon=True)
        self.handler = handler
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.handler.handle(Frame(b"x"))
        except GuestError as error:
            self.error = error
        self.handler.close()


@pytest.mark.parametrize("case", CASES)
def test_a_guest_that_never_ends_is_ended(make: Callable[..., FunctionHandler], said: Said, case: str) -> None:
    call = Call(make(CASES[case]))
    assert said.heard.wait(PATIENCE_S)
    call.handler.stop()
    call.join(PATIENCE_S)
    assert not call.is_alive()
    assert "was stopped" in str(call.error)


def test_one_that_sleeps_is_ended(tmp_path_factory: pytest.TempPathFactory) -> None:
    faults = compile_guest(GUESTS / "faults.c", shared_folder(tmp_path_factory))
    handler = load_function(faults, FunctionOptions(limits=HOUR)).instance()
    errors: list[GuestError] = []

    def sleep() -> None:
        handler.start()
        started.set()
        with pytest.raises(GuestError) as raised:
            handler.handle(Frame(b"sleep"))
        errors.append(raised.value)
        handler.close()

    started = threading.Event()
    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    assert started.wait(PATIENCE_S)
    handler.stop()  # before, while or after it falls asleep: it ends
    thread.join(PATIENCE_S)
    assert "was stopped" in str(errors[0])


def test_none_starts_after_a_stop_and_the_other_handlers_of_the_function_live(tmp_path: Path) -> None:
    (tmp_path / "quiet.wat").write_text(
        '(module (memory (export "memory") 1) (func (export "weft_handle") (result i32) (i32.const 0)))'
    )
    function = load_function(tmp_path / "quiet.wat", FunctionOptions())
    stopped, other = function.instance(), function.instance()
    stopped.stop()
    for handler, expected in ((stopped, GuestError), (other, type(None)), (stopped, GuestError)):
        call = Call(handler)
        call.join(PATIENCE_S)
        assert isinstance(call.error, expected)


class LongCall(threading.Thread):
    """Calls a loaded function whose guest never ends."""

    def __init__(self, function: weft.LoadedFunction) -> None:
        super().__init__(daemon=True)
        self.function = function
        self.error = ""
        self.start()

    def run(self) -> None:
        with pytest.raises(GuestError) as raised:
            self.function(b"x")
        self.error = str(raised.value)


@pytest.mark.parametrize("now", [True, False])
def test_closing_a_loaded_function_ends_a_call_that_never_would(tmp_path: Path, said: Said, now: bool) -> None:
    (tmp_path / "loop.wat").write_text(CASES["handle"])
    call = LongCall(weft.load(tmp_path / "loop.wat", limits=HOUR))
    assert said.heard.wait(PATIENCE_S)
    call.function.close(now=now)
    call.join(PATIENCE_S)
    assert "was stopped" in call.error


def test_after_ctrl_c_nobody_waits_for_what_still_runs(tmp_path: Path, said: Said) -> None:
    (tmp_path / "loop.wat").write_text(CASES["handle"])
    with weft.load(tmp_path / "loop.wat", limits=HOUR) as function:
        call = LongCall(function)
        assert said.heard.wait(PATIENCE_S)
        function.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        call.join(PATIENCE_S)
    assert "was stopped" in call.error
