"""Guests, pipelines and processes for the tests of bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.guests.build import GUESTS, compile_guest, shared_folder
from weft.cli.main import main
from weft.flow.pipeline import Pipeline
from weft.flow.summary import Summary

PATIENCE_S = 30.0
Guests = Callable[[str], Path]
Start = Callable[..., subprocess.Popen[bytes]]
WEFT = (sys.executable, "-m", "weft")


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``guests("echo")``: the module of a C file in tests/guests."""
    folder = shared_folder(tmp_path_factory)
    return lambda name: compile_guest(GUESTS / f"{name}.c", folder)


@dataclass(frozen=True, slots=True)
class Done:
    """How a process ended. ``out`` and ``err`` are text; what is no UTF-8 is replaced."""

    code: int
    out: str
    err: str

    def told(self, code: int, *words: str) -> Done:
        """Check that it ended with one clear error; itself."""
        assert self.code == code, (self.code, self.err)
        assert "Traceback" not in self.err, self.err
        assert "Exception ignored" not in self.err, self.err
        for word in words:
            assert word in self.err, self.err
        return self


@pytest.fixture
def weft(tmp_path: Path) -> Callable[..., Done]:
    """``weft("run", "x.wasm", stdin=b"…")``: a process of its own in the test's folder."""

    def run(*words: object, stdin: Any = b"", env: dict[str, str | None] | None = None, **options: Any) -> Done:
        given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path, **given, **options}
        command = [*WEFT, *(word if isinstance(word, bytes) else str(word) for word in words)]
        done = subprocess.run(command, env=environment(env), timeout=PATIENCE_S, check=False, **options)
        return Done(done.returncode, (done.stdout or b"").decode(errors="replace"), (done.stderr or b"").decode())

    return run


@pytest.fixture
def called(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    """``called("run", "x.wasm")``: as ``weft``, but in this process, which saves the start."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Done:
        code = main([str(word) for word in words])
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Done]:
    """``shell("weft run x.wasm >&-")``: a line of bash in the test's folder, in which ``weft`` is ours."""

    def run(line: str, *, env: dict[str, str | None] | None = None) -> Done:
        script = f'set -o pipefail; weft() {{ "{sys.executable}" -m weft "$@"; }}\n{line}'
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environment(env),
            timeout=PATIENCE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode())

    return run


def environment(changes: dict[str, str | None] | None = None) -> dict[str, str]:
    """This process's environment with changes; None removes."""
    merged: dict[str, str | None] = {**os.environ, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a pipeline ended, and what its JSON lines say."""

    summary: Summary
    records: list[dict[str, Any]]

    @property
    def payloads(self) -> list[Any]:
        return [record.get("payload", record.get("size")) for record in self.records if record["stream"] != "errors"]

    @property
    def failures(self) -> list[dict[str, Any]]:
        return [record["payload"] for record in self.records if record["stream"] == "errors"]


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Ran]:
    """``pipeline(source, function)``: run them in this process, into JSON lines."""

    def run(source: dict[str, Any], function: dict[str, Any]) -> Ran:
        document = write_pipeline(tmp_path, source, function)
        summary = Pipeline.load(document).run(check=False)
        out = tmp_path / "out.jsonl"
        return Ran(summary, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else [])

    return run


def write_pipeline(folder: Path, source: dict[str, Any], function: dict[str, Any], **sink: Any) -> Path:
    """A document with one source, one function and one sink; errors go to the same sink if there are any."""
    streams = ["f", "errors"] if "errors" in str(function.get("on_error", "")) else ["f"]
    document = {
        "sources": {"in": source},
        "functions": {"f": {"inputs": ["in"], **function}},
        "sinks": {"out": {"type": "jsonl", "path": "out.jsonl", "flush": "frame", "inputs": streams, **sink}},
    }
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps(document))
    return path


def lines(folder: Path, *words: str) -> dict[str, Any]:
    """A source that gives these words, one a frame."""
    (folder / "in.txt").write_text("".join(f"{word}\n" for word in words))
    return {"type": "lines", "path": "in.txt"}


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """``started("run", "pipeline.yaml")``: a process that is killed, if need be, when the test is over.

    Its pipes have no buffer here: ``communicate`` reads past one, and what ``readline`` left in it would be lost.
    """
    made: list[subprocess.Popen[bytes]] = []

    def start(*words: object, **options: Any) -> subprocess.Popen[bytes]:
        defaults = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": tmp_path,
            "bufsize": 0,
        }
        process = subprocess.Popen([*WEFT, *map(str, words)], **{"env": environment(), **defaults, **options})
        made.append(process)
        return process

    yield start
    for process in made:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
