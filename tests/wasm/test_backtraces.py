"""A trap in a module with debug information names the source lines of the calls that led there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import FLAGS
from tests.wasm.harness import Driven, Thread, settings
from weft.core.errors import GuestTrap
from weft.wasm.engine import Engine
from weft.wasm.faults import MAX_FRAMES, source_frames
from weft.wasm.function import Function

SOURCE = """\
static volatile int zero;

static __attribute__((noinline)) int divide(int by) {
    return 7 / by;
}

static __attribute__((noinline)) int deep(int calls) {
    return calls ? deep(calls - 1) + 1 : divide(zero);
}

__attribute__((export_name("weft_handle"))) int weft_handle(void) {
    return deep(DEPTH) + 1;
}
"""
BACKTRACE = """error while executing at wasm backtrace:
    0:    0x33c - abort
                    at /rustc/1234/library/std/src/panic.rs:16:16
    1:    0x2b9 - function.wasm!app::first::h0123456789abcdef
                    at /home/me/src/lib.rs:23:13
              - app::second
                    at C:\\\\me\\\\src\\\\lib.rs:33
    2:    0x1d9 - <unknown>!third
"""


def build(folder: Path, depth: int, *flags: str) -> Path:
    (folder / "deep.c").write_text(SOURCE.replace("DEPTH", str(depth)))
    module = folder / "deep.wasm"
    kept = [flag for flag in FLAGS if flag not in {"-s", "-O2"}]
    words = ["cc", *kept, *flags, "-fno-sanitize=undefined", "-mexec-model=reactor", "deep.c", "-o", module]
    subprocess.run([sys.executable, "-m", "ziglang", *map(str, words)], cwd=folder, check=True, timeout=100)
    return module


def trap(module: Path, thread: Thread) -> str:
    driven = Driven(Function(module, settings("deep")), thread)
    with pytest.raises(GuestTrap) as told:
        driven()
    driven.close()
    return str(told.value)


def test_each_call_has_its_line(tmp_path: Path, thread: Thread):
    told = trap(build(tmp_path, 1, "-g", "-O0"), thread)
    assert "trapped in divide at deep.c:4, called by deep at deep.c:8, by deep at deep.c:8, by weft_handle at" in told
    assert "deep.c:12: it divided by zero" in told
    assert "cure: `weft debug` stops there and shows the variables" in told


def test_many_calls_are_counted(tmp_path: Path, thread: Thread):
    told = trap(build(tmp_path, 12, "-g", "-O0"), thread)
    assert told.count("deep.c:8") == MAX_FRAMES - 1
    assert " more: it divided by zero" in told


def test_without_debug_information_the_function_is_named(tmp_path: Path, thread: Thread):
    told = trap(build(tmp_path, 1, "-g0", "-O1"), thread)
    assert "trapped in divide: it divided by zero" in told
    assert "deep.c" not in told


def test_a_languages_own_library_is_left_out():
    assert source_frames(BACKTRACE) == ["app::first at lib.rs:23", "app::second at lib.rs:33"]


def test_library_frames_alone_are_better_than_none():
    assert source_frames("\n".join(BACKTRACE.splitlines()[:3])) == ["abort at panic.rs:16"]


def test_names_cannot_steer_a_terminal():
    [told] = source_frames("    0:  0x1 - \x1b[2Jx\n        at /a/\x07.c:1:1\n")
    assert told == "\\x1b[2Jx at \\x07.c:1"


def test_the_environment_may_turn_lines_off(monkeypatch: pytest.MonkeyPatch):
    usual = Engine().fingerprint
    assert "WASMTIME_BACKTRACE_DETAILS" not in os.environ, "it is set for a moment only"
    monkeypatch.setenv("WASMTIME_BACKTRACE_DETAILS", "0")
    assert Engine().fingerprint != usual
