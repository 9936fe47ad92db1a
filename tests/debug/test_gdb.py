"""gdb at a line of a guest: variables, backtraces, pointers, traps, and what is said where that is not possible."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.debug.conftest import Run, line_of

pytestmark = pytest.mark.usefixtures("gdb")


def test_a_breakpoint_at_a_line_shows_variables_and_the_way_there(debug: Run, scores: Path):
    line = line_of(scores, "return 100 *")
    done = debug("scores.wasm", "--break", f"function.c:{line}", commands=["bt", "print above"], stdin="0.2 0.9 0.7\n")
    assert done.returncode == 0, done.stderr
    assert f"function.c:{line}" in done.stdout
    assert re.search(r"^#1 .* in weft_handle \(\) at function\.c:\d+$", done.stdout, re.MULTILINE)
    assert "#2" not in done.stdout, "frames of wasmtime and Python are left out"
    assert "$1 = 2" in done.stdout


def test_pointers_of_the_guest_can_be_followed(debug: Run):
    asked = ["print all->count", "print *all", "print $guest(all)->values[1]", "print *$guest(all->unit)@7"]
    done = debug("scores.wasm", "--break", "share", commands=asked, stdin="0.25 0.5\n")
    assert done.returncode == 0, done.stdout
    assert "$1 = 2" in done.stdout
    assert re.search(
        r"\{count = 2, values = \{0\.25, 0\.5, 0 <.*unit = \(const char \*\) 0x\w+ \"percent\"\}", done.stdout
    )
    assert "$3 = 0.5" in done.stdout
    assert '$4 = "percent"' in done.stdout


def test_without_a_breakpoint_it_stops_where_the_host_calls(debug: Run, scores: Path):
    done = debug("scores.wasm", commands=["next", "next", "print threshold", "continue"], stdin="0.2 0.9\n")
    assert f"weft_handle () at function.c:{line_of(scores, 'char text[256]')}" in done.stdout
    assert "$1 = 0.5" in done.stdout
    assert "50 percent" in done.stdout, "what it emits comes out"
    assert done.returncode == 0


def test_it_stops_where_the_guest_traps(debug: Run, scores: Path):
    done = debug("scores.wasm", commands=["continue", "up", "print all.count", "continue"])
    assert f"function.c:{line_of(scores, 'return 100 *')}" in done.stdout
    assert "The guest trapped here" in done.stdout
    assert "$1 = 0" in done.stdout
    assert "trapped in share at function.c" in done.stderr, "and then Weft tells of it"
    assert done.returncode == 70


def test_options_and_arguments_are_those_of_run(debug: Run, scores: Path):
    words = ("--config", "threshold=0.75", "--timeout", "1ms", "--limit", "memory=64MiB")
    line = line_of(scores, "weft_frame_read(")
    done = debug("scores.wasm", *words, "--break", f"function.c:{line}", commands=["print threshold"], stdin="1\n")
    assert "$1 = 0.75" in done.stdout
    assert done.returncode == 0, done.stderr


def test_a_folder_is_built_first(debug: Run, scores: Path, tmp_path: Path):
    folder = tmp_path / "a folder [x]"
    shutil.copytree(scores, folder, ignore=shutil.ignore_patterns("*.wasm"))
    frame = tmp_path / "frame.txt"
    frame.write_text("1\n")
    done = debug(folder, "--input", frame, "--break", "parse", commands=["list 1,1"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What share of the scores" in done.stdout


def test_sources_may_have_moved(debug: Run, scores: Path, tmp_path: Path):
    text = (scores / "function.c").read_text()
    (tmp_path / "function.c").write_text(text.replace("What share", "How many"))
    done = debug("scores.wasm", "--source", f"{scores}={tmp_path}", commands=["list 1,1"], stdin="1\n")
    assert "How many of the scores" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("handel", 'Function "handel" not defined.'),
        ("function.c:9999", "No line 9999 in file"),
        ("other.c:1", "No source file named other.c."),
        ("PyObject_Call", "PyObject_Call is not in the guest."),
    ],
)
def test_a_breakpoint_that_is_nowhere_is_an_error(debug: Run, place: str, reason: str):
    done = debug("scores.wasm", "--break", place, commands=["bt"])
    assert reason in done.stdout
    assert "cure: name a function of the guest, or FILE:LINE" in done.stdout
    assert done.returncode == 64


def test_a_wrong_command_is_an_error(debug: Run):
    done = debug("scores.wasm", commands=["print nothing_of_this_name", "print 1"], stdin="1\n")
    assert 'error: print nothing_of_this_name: No symbol "nothing_of_this_name"' in done.stdout
    assert done.returncode == 64


def test_what_fails_before_the_function_runs_is_told_as_by_run(debug: Run):
    done = debug("scores.wasm", "--model", "net=nowhere.onnx", commands=["bt"])
    assert "nowhere.onnx: no such file" in done.stderr
    assert done.returncode == 66


def test_code_with_breakpoints_in_it_is_never_kept(debug: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    assert debug("scores.wasm", commands=["bt"], stdin="1\n").returncode == 0
    assert list((tmp_path / "cache").rglob("*.cwasm")) == []
