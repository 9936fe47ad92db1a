"""Where programs are: in the running Python's environment, in the function's folder, on PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ASK_WITHIN = 60.0
"""Seconds a compiler has to say its version."""


def beside_python(program: str) -> str | None:
    """A program of the environment this Python runs in."""
    return shutil.which(program, path=str(Path(sys.prefix) / "bin"))


def on_path(program: str) -> Iterator[str]:
    """Every program of this name on PATH, in order: the first is not always the one that can do it."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if folder and (found := shutil.which(program, path=folder)):
            yield found


def in_node_modules(program: str, folder: Path) -> str | None:
    """A program npm installed for ``folder``, for a folder above it, or for this Python's environment."""
    for place in (*[folder.resolve(), *folder.resolve().parents], Path(sys.prefix)):
        if found := shutil.which(program, path=str(place / "node_modules" / ".bin")):
            return found
    return None


def ask(words: Sequence[str], *, folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program says to a question such as ``--version``; empty when it does not run or says no."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            timeout=ASK_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def version_in(text: str) -> tuple[int, ...]:
    """The first version number in a text: (1, 24, 3); empty where there is none."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part) if match else ()
