"""C guests for tests, compiled once per test run and shared between its processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

GUESTS = Path(__file__).parent
REPOSITORY = GUESTS.parents[1]
HEADERS = REPOSITORY / "src" / "weft" / "sdk" / "c"
FLAGS = ("--target=wasm32-wasi", "-O2", "-s", "-Wall", "-Wextra", "-Werror", f"-I{HEADERS}")


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run see."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "guests"
    folder.mkdir(exist_ok=True)
    return folder


def compile_guest(source: Path, folder: Path) -> Path:
    """The module of a C file in ``folder``: a command where it has a main, else a reactor."""
    text = source.read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    module = folder / digest / f"{source.stem}.wasm"
    module.parent.mkdir(exist_ok=True)
    with (folder / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not module.exists():
            _compile(source, module, reactor="int main(" not in text)
    return module


def _compile(source: Path, module: Path, *, reactor: bool) -> None:
    partial = module.with_suffix(".partial")
    model = ["-mexec-model=reactor"] if reactor else []
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *model, "-o", str(partial), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{source.name} does not compile:\n{done.stderr}"
    partial.replace(module)
