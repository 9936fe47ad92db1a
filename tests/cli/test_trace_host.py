"""``weft run --trace-host``, as a user would type it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ECHO, Cli

Wat = Callable[..., Path]
PIPELINE = """
sources: {lines: {type: lines, path: lines.txt}}
functions: {echo: {wasm: echo.wat, inputs: [lines]}}
sinks: {out: {type: jsonl, path: out.jsonl, inputs: [echo]}}
"""


def test_each_call_is_told_on_standard_error(weft_process: Cli, wat: Wat) -> None:
    done = weft_process("run", wat(ECHO), "--trace-host", stdin=b"hello")
    assert (done.code, done.out) == (0, "hello\n")
    lines = [line.rpartition("  ")[0] for line in done.err.splitlines()]
    assert lines == [
        'frame_read(room for 65536, 0) = 5 "hello"',
        "frame_size() = 5",
        'emit("", "text/plain", "hello") = 0',
    ]


def test_without_it_nothing_is_told(weft_process: Cli, wat: Wat) -> None:
    assert weft_process("run", wat(ECHO), stdin=b"hello").err == ""


def test_lines_are_bounded(weft_process: Cli, wat: Wat) -> None:
    done = weft_process("run", wat(ECHO), "--trace-host", "--trace-lines", "1", stdin=b"hello")
    first, last = done.err.splitlines()
    assert first.startswith("frame_read(")
    assert last == "… 2 more host calls not shown; --trace-lines shows more than 1"


def test_fewer_than_one_line_is_refused(weft_process: Cli, wat: Wat) -> None:
    done = weft_process("run", wat(ECHO), "--trace-host", "--trace-lines", "0")
    assert (done.code, "--trace-lines 0: at least 1" in done.err) == (64, True)


@pytest.mark.parametrize("quiet", [True, False])
def test_a_pipeline_says_whose_calls_they_are(weft_process: Cli, wat: Wat, tmp_path: Path, quiet: bool) -> None:
    wat(ECHO, "echo.wat")
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    (tmp_path / "p.yaml").write_text(PIPELINE)
    done = weft_process("run", "p.yaml", "--trace-host", *(["--quiet"] if quiet else []), cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.err.count('echo: emit("", "text/plain", "one") = 0') == 1
    assert sum(line.startswith("echo: ") for line in done.err.splitlines()) == 6
