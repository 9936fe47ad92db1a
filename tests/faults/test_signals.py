"""Ctrl-C and SIGTERM: while a command starts, while it works, while it drains, and twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import PATIENCE_S, Guests, Start, lines, write_pipeline

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def endless(folder: Path, guests: Guests, **function: Any) -> Path:
    """A pipeline without end that prints a line for each frame."""
    source = {"type": "pattern", "size": "16x16", "encoding": "raw"}
    return write_pipeline(folder, source, {"wasm": str(guests("echo")), **function}, path="-")


def finish(process: subprocess.Popen[bytes]) -> tuple[list[dict[str, Any]], str]:
    """What it still printed, as records, and what it said on standard error."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert b"Traceback" not in err, err.decode()
    assert b"Exception ignored" not in err, err.decode()
    return [json.loads(line) for line in out.splitlines()], err.decode()


@pytest.mark.parametrize(("number", "code", "replicas"), [(*SIGNALS[0], 1), (*SIGNALS[0], 2), (*SIGNALS[1], 2)])
def test_a_signal_drains_the_pipeline(
    started: Start, guests: Guests, tmp_path: Path, number: signal.Signals, code: int, replicas: int
) -> None:
    process = started("run", endless(tmp_path, guests, replicas=replicas), "--summary", "summary.json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.send_signal(number)
    records, _ = finish(process)
    summary = json.loads((tmp_path / "summary.json").read_text())
    stages = {stage["name"]: stage for stage in summary["stages"]}
    assert (process.returncode, summary["ended"]) == (code, number.name)
    assert [record["sequence"] for record in (first, *records)] == list(range(stages["in"]["out"]))
    assert [stages[name]["out"] for name in ("in", "f", "out")] == [len(records) + 1] * 3


@pytest.mark.parametrize(("number", "code", "export"), [(*SIGNALS[0], "weft_handle"), (*SIGNALS[1], "weft_init")])
def test_a_second_signal_ends_a_guest_that_does_not_end(
    started: Start, tmp_path: Path, export: str, number: signal.Signals, code: int
) -> None:
    """It loops, with minutes left: were it not stopped, the pipeline would end with an error that names it."""
    name = endless_loop(tmp_path, export)
    function = {"wasm": name, "limits": {"time": "5min", "start": "5min"}, "queue": {"size": 4}}
    document = write_pipeline(tmp_path, lines(tmp_path, *map(str, range(50))), function, path="-")
    process = started("run", document, "--log-format", "json", "--log-level", "info")
    read_until(process, b"looping")
    process.send_signal(number)
    read_until(process, b"a second signal")
    process.send_signal(number)
    _, err = finish(process)
    summary = next(event for event in map(json.loads, err.splitlines()) if event.get("event") == "summary")
    stage = next(stage for stage in summary["stages"] if stage["name"] == "f")
    assert (process.returncode, summary["ended"], summary["error"]) == (code, number.name, None), err
    assert (stage["out"], stage["failed"], stage["abandoned"]) == (0, 0, stage["in"])
    assert ("WARNING" not in err, "warning" not in err) == (True, True)


def endless_loop(folder: Path, export: str) -> str:
    """A guest that says so and loops in one of its exports."""
    other = '(func (export "weft_handle") (result i32) (i32.const 0))' if export == "weft_init" else ""
    (folder / "loop.wat").write_text(f"""(module
      (import "weft" "log" (func $log (param i32 i32 i32)))
      (memory (export "memory") 1) (data (i32.const 0) "looping")
      (func (export "{export}") (result i32)
        (call $log (i32.const 2) (i32.const 0) (i32.const 7)) (loop $more (br $more)) (i32.const 0))
      {other})""")
    return "loop.wat"


def read_until(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Until it says so on standard error."""
    assert process.stderr is not None
    while words not in (line := process.stderr.readline()):
        assert line, "it ended without a word"


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_pipeline_that_waits_for_input(
    started: Start, guests: Guests, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    document = write_pipeline(tmp_path, {"type": "lines", "path": "-"}, {"wasm": str(guests("echo"))}, path="-")
    process = started("run", document, "--quiet", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["payload"] == "one"
    process.send_signal(number)
    process.wait(PATIENCE_S)
    assert process.returncode == code
    finish(process)


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGINT, {130}), (signal.SIGTERM, {143, -signal.SIGTERM})])
def test_a_signal_while_it_starts_is_no_traceback(
    started: Start, guests: Guests, tmp_path: Path, number: signal.Signals, codes: set[int]
) -> None:
    """The document is a pipe that we open and never fill: reading it is where the start stands still."""
    os.mkfifo(tmp_path / "slow.yaml")
    process = started("run", "slow.yaml")
    with (tmp_path / "slow.yaml").open("wb"):  # opens when the command has
        process.send_signal(number)
        finish(process)
    assert process.returncode in codes


def test_an_interrupt_while_the_command_line_is_imported_is_no_traceback(started: Start, tmp_path: Path) -> None:
    """A module in the place of the library that reads options interrupts its own import."""
    (tmp_path / "cyclopts.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\n")
    process = started("--version", env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{source_path()}"})
    finish(process)
    assert process.returncode == 130


def source_path() -> str:
    import weft

    return str(Path(weft.__file__).parents[1])


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGINT, {130}), (signal.SIGTERM, {143, -signal.SIGTERM})])
def test_a_signal_ends_a_command_that_waits_for_input(
    started: Start, guests: Guests, number: signal.Signals, codes: set[int]
) -> None:
    process = started("run", guests("command"), "copy", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"x" * 65536 * 2)
    process.stdin.flush()
    assert process.stdout.read(1) == b"x"
    process.send_signal(number)
    process.wait(PATIENCE_S)
    assert process.returncode in codes
