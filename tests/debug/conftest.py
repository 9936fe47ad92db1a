"""The function of the documentation's page on debugging, built as the page says, and a debugger."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, missing
from tests.guests.build import shared_folder
from tests.sdk.building import tool
from weft.core.errors import UnavailableError
from weft.toolchains import language
from weft.toolchains.compiling import build
from weft.toolchains.debuggers import find_debugger
from weft.toolchains.scaffold import create

PAGE = REPOSITORY / "docs" / "debugging.md"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page's function, built with --debug."""
    base = shared_folder(tmp_path_factory).with_name("debugging")
    base.mkdir(exist_ok=True)
    tool("c", base)
    with (base / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "scores" / "scores.wasm").exists():
            create(base / "scores", language("c"))
            code = re.search(r"^```c\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
            assert code
            (base / "scores" / "function.c").write_text(code[1])
            assert build(base / "scores", debug=True).messages == ""
    return base / "scores"


@pytest.fixture(scope="session")
def gdb() -> None:
    """A machine with gdb."""
    try:
        find_debugger("gdb")
    except UnavailableError as error:
        missing("gdb", error.cure)


@pytest.fixture
def debug(scores: Path) -> Run:
    """``debug("scores.wasm", "--break", "share", commands=["bt"], stdin="0.5")`` in the function's folder."""

    def run(*words: object, commands: list[str] = [], stdin: str = "") -> subprocess.CompletedProcess[str]:  # noqa: B006
        asked = [word for command in commands for word in ("--command", command)]
        command = [sys.executable, "-m", "weft", "debug", *map(str, words), "--batch", *asked]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, cwd=scores, timeout=100, check=False
        )

    return run


def line_of(folder: Path, text: str) -> int:
    """The line of the page's function that has this text."""
    lines = (folder / "function.c").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)
