"""Running the command as a user does, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from weft.cli.main import main

Cli = Callable[..., "Done"]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def weft(capfd: pytest.CaptureFixture[str]) -> Cli:
    """``weft("run", "x.wasm")`` in this process."""

    def run(*words: object) -> Done:
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture
def weft_process() -> Cli:
    """``weft_process("run", "x.wasm", stdin=b"…")`` in a process of its own."""

    def run(*words: object, stdin: bytes = b"", cwd: Path | None = None) -> Done:
        command = [sys.executable, "-m", "weft", *map(str, words)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=cwd, env=os.environ, timeout=60, check=False
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def wat(tmp_path: Path) -> Callable[..., Path]:
    """Write a module's text to a file."""

    def write(text: str, name: str = "module.wat") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


PRINT = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 64) (i32.const 1024)))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 3)) (then (call $exit (i32.const 3))))))
"""
"""A command that prints its arguments, each ended by a zero byte, and exits with 3 when it got more than two."""

ECHO = """
(module
  (import "weft" "frame_size" (func $size (result i32)))
  (import "weft" "frame_read" (func $read (param i32 i32 i32) (result i32)))
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "text/plain")
  (func (export "weft_handle") (result i32)
    (drop (call $read (i32.const 64) (i32.const 65536) (i32.const 0)))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 64) (call $size))))
"""
"""A reactor that emits the frame it got as text."""

LOOP = '(module (func (export "_start") (loop (br 0))))'
