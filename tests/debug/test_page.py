"""The sessions on the page about debugging are what the commands print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.debug.conftest import PAGE

SESSION = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHANGES = (
    (r"0x[0-9a-f]+", "0x…"),
    (r"\d+(\.\d+)? (µs|ms|s)\b", "TIME"),
    (r"\d+(\.\d+)? [KM]iB", "SIZE"),
    (r"zig \S+ ", "zig "),
    (r'Thread \d+ "python[^"]*"', "Thread"),
)
"""What differs from run to run and from machine to machine."""


def sessions() -> list[str]:
    return SESSION.findall(PAGE.read_text())


def same(text: str) -> list[str]:
    for pattern, word in CHANGES:
        text = re.sub(pattern, word, text)
    return [line for line in text.splitlines() if line and not line.startswith(("[Switching to", "[Inferior"))]


@pytest.mark.usefixtures("gdb")
@pytest.mark.parametrize("number", range(len(sessions())))
def test_a_session_goes_as_the_page_says(number: int, scores: Path):
    (scores / "frame.txt").write_text("0.2 0.9 0.4\n")
    parts = re.split(r"^\$ (.*)\n", sessions()[number], flags=re.MULTILINE)[1:]
    for command, expected in zip(parts[::2], parts[1::2], strict=True):
        words = re.sub(r"\bweft (?=\w)", f"{sys.executable} -m weft ", command)
        done = subprocess.run(
            ["bash", "-c", words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=scores,
            timeout=100,
            check=False,
        )
        assert same(done.stdout) == same(expected), command


def test_the_page_has_sessions_for_each_step():
    text = "".join(sessions())
    assert [word for word in ("--trace-host", "trapped in", "weft debug", "$guest") if word not in text] == []
