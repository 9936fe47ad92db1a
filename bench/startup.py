"""From process start to the end of a compiled module."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.harness import Result, seconds

_HELLO = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "hello\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
"""


def run() -> Iterator[Result]:
    """``weft run hello.cwasm``, as a user types it, and Python alone beside it."""
    weft = Path(sys.executable).with_name("weft")
    with tempfile.TemporaryDirectory() as folder:
        module, compiled = Path(folder) / "hello.wat", Path(folder) / "hello.cwasm"
        module.write_text(_HELLO)
        subprocess.run([weft, "compile", module, "-o", compiled], check=True, capture_output=True)
        taken = [seconds(lambda: _call([str(weft), "run", str(compiled)])) for _ in range(15)]
        python = [seconds(lambda: _call([sys.executable, "-c", "print('hello')"])) for _ in range(15)]
    detail = {"python alone": round(statistics.median(python), 4), "slowest": round(max(taken), 4)}
    yield Result("startup: weft run of a compiled module", statistics.median(taken), "s", 0.4, "lower", detail)


def _call(command: list[str]) -> None:
    done = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.stdout == b"hello\n", done
