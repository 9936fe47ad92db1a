"""A debugger in the foreground: it has the terminal, and the function it looks at has streams of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from weft.cli import options
from weft.cli.debuggee import SAME
from weft.core.errors import InputError, UsageError
from weft.core.units import format_size

MAX_INPUT = 256 * 2**20
"""Bytes of standard input that are kept for the function."""


@contextmanager
def standard_input(path: Path | None) -> Iterator[str]:
    """The file that is the function's standard input, as the debugger has the terminal; ``SAME`` where that is all."""
    if path is not None:
        yield str(options.existing(str(path), "input").resolve())
    elif sys.stdin.isatty():
        yield SAME
    else:
        with tempfile.NamedTemporaryFile(prefix="weft-debug-") as file:
            _keep(sys.stdin.buffer, file)
            yield file.name


def _keep(source: IO[bytes], file: IO[bytes]) -> None:
    left = MAX_INPUT
    while left and (part := source.read(min(left, 2**20))):
        file.write(part)
        left -= len(part)
    if source.read(1):
        raise InputError(f"more than {format_size(MAX_INPUT)}", where="standard input", cure="use --input FILE")
    file.flush()


@contextmanager
def outputs() -> Iterator[tuple[int, int]]:
    """Standard output and error once more, for the function, while the debugger turns its own off."""
    numbers = os.dup(1), os.dup(2)
    try:
        yield numbers
    finally:
        for number in numbers:
            os.close(number)


def run(words: Sequence[str], outputs: Sequence[int], *, batch: bool) -> int:
    """Run the debugger in the foreground; Ctrl-C is for it, not for us. Its exit code."""
    sys.stdout.flush()
    previous = signal.signal(signal.SIGINT, lambda *_: None)  # a handler, which the debugger does not inherit
    try:
        with _terminal(batch=batch) as stdin:
            return subprocess.run(words, stdin=stdin, pass_fds=outputs, check=False).returncode & 0xFF
    finally:
        signal.signal(signal.SIGINT, previous)


@contextmanager
def _terminal(*, batch: bool) -> Iterator[int | None]:
    """Where the debugger reads commands: standard input, or the terminal behind it, or nowhere."""
    if sys.stdin.isatty():
        yield None
        return
    try:
        number = os.open(os.devnull if batch else "/dev/tty", os.O_RDWR)
    except OSError as error:
        cure = "add --batch and --command, or run it in a terminal"
        raise UsageError("no terminal for the debugger to ask in", where="weft debug", cure=cure) from error
    try:
        yield number
    finally:
        os.close(number)
