"""`weft dev` as a process of its own: what it tells, what the function says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.cli.conftest import ECHO, Cli
from tests.sdk.building import tool

PATIENCE_S = 60.0


class Process:
    """A running ``weft dev``; its lines are read as they come."""

    def __init__(self, *words: object, cwd: Path | None = None) -> None:
        command = [sys.executable, "-m", "weft", "dev", *map(str, words)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=cwd
        )
        self.out: Queue[str] = Queue()
        self.err: Queue[str] = Queue()
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self._process.stdout, self.out), (self._process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def until(self, lines: Queue[str], match: Callable[[str], bool]) -> str:
        """Wait for a line; the empty one is the end of them."""
        seen = []
        try:
            while line := lines.get(timeout=PATIENCE_S):
                if match(line):
                    return line
                seen.append(line)
        except Empty:
            pass
        told = [self.err.get() for _ in range(self.err.qsize())]
        raise AssertionError(f"not among {seen[-20:]}; exit code {self._process.poll()}, {told[-20:]}")

    def says(self, text: str) -> str:
        return self.until(self.out, lambda line: text in line)

    def tells(self, text: str) -> str:
        return self.until(self.err, lambda line: text in line)

    def event(self, name: str) -> dict[str, Any]:
        """Wait for a JSON line."""
        return json.loads(self.until(self.err, lambda line: json.loads(line)["event"] == name))

    def end(self, number: int = signal.SIGINT) -> int:
        self._process.send_signal(number)
        return self.code()

    def code(self) -> int:
        code = self._process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.code()
        self._process.stdout.close()
        self._process.stderr.close()

    @staticmethod
    def _read(stream: Any, lines: Queue[str]) -> None:
        for line in stream:
            lines.put(line)
        lines.put("")


@pytest.fixture
def dev() -> Iterator[Callable[..., Process]]:
    """``dev("counter")`` runs ``weft dev counter``."""
    started: list[Process] = []

    def start(*words: object, cwd: Path | None = None) -> Process:
        started.append(Process(*words, cwd=cwd))
        return started[-1]

    yield start
    for process in started:
        process.close()


def test_new_dev_edit_and_see_the_change(weft: Cli, dev: Callable[..., Process], tmp_path: Path) -> None:
    tool("c", tmp_path)
    assert weft("new", tmp_path / "counter", "--lang", "c").code == 0
    process = dev("counter", cwd=tmp_path)
    process.tells("counter built by zig")
    process.tells("waiting for changes")
    process.says("counter  bright 0.5")
    source = tmp_path / "counter" / "function.c"
    text = source.read_text()
    source.write_text(text.replace(r"\"bright\"", r"\"glaring\""))
    process.tells("function.c changed")
    process.tells("counter swapped at frame")
    process.says("counter  glaring 0.5")
    source.write_text(text.replace("int32_t", "int23_t", 1))
    process.tells("does not compile")
    process.tells("function.c:")
    process.says("glaring")
    assert process.end() == 130
    process.tells("counter: ended by SIGINT")


def test_json_lines_tell_tools_everything(dev: Callable[..., Process], tmp_path: Path) -> None:
    module = tmp_path / "echo.wat"
    module.write_text(ECHO)
    document = tmp_path / "pipeline.yaml"
    document.write_text(
        "sources: {in: {type: pattern, size: 16x16, fps: 50}}\n"
        "functions: {echo: {wasm: echo.wat, inputs: [in]}}\n"
        "sinks: {out: {type: console, inputs: [echo]}}\n"
    )
    process = dev(document, "--json")
    assert process.event("started") == {"event": "started", "pipeline": "pipeline"}
    assert process.event("waiting") == {"event": "waiting", "running": True}
    process.says("echo")
    os.utime(module)
    assert process.event("changed")["files"] == ["echo.wat"]
    assert process.event("ready")["ms"] > 0
    swapped = process.event("swapped")
    assert (swapped["function"], swapped["frame"] > 0, swapped["ms"] > 0) == ("echo", True, True)
    module.write_text("(module")
    refused = process.event("refused")
    assert (refused["subject"], refused["error"]) == ("echo", "ModuleError")
    assert process.end(signal.SIGTERM) == 143
    summary = process.event("summary")
    assert (summary["ended"], summary["stages"][1]["swaps"]) == ("SIGTERM", 1)


def test_a_single_function_gets_a_test_pattern(dev: Callable[..., Process], tmp_path: Path) -> None:
    (tmp_path / "Echo 2.wat").write_text(ECHO)
    process = dev(tmp_path / "Echo 2.wat")
    process.says("echo-2")
    assert process.end() == 130


def test_it_ends_when_nobody_reads_what_the_function_says(tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    line = f"{sys.executable} -m weft dev echo.wat | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.stdout.split()[0::3][:1] == ["#0"]
    assert done.stdout.splitlines()[-1] == "141"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["nowhere"], 66, "no such file or folder"),
        (["empty"], 66, "no function.toml"),
        (["lonely"], 66, "--pipeline FILE"),
        (["notes.txt"], 64, "it is no function"),
        (["wrong.yaml"], 78, "mistake"),
        (["echo.wat", "--pipeline", "wrong.yaml"], 64, "goes with a function's folder"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    weft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("lonely").mkdir()
    Path("lonely/function.toml").write_text('name = "lonely"\nlang = "c"\nsource = "function.c"\n')
    Path("notes.txt").write_text("")
    Path("echo.wat").write_text(ECHO)
    Path("wrong.yaml").write_text("sources: {in: {type: patern}}\n")
    done = weft("dev", *words)
    assert (done.code, says in done.err) == (code, True), done.err
