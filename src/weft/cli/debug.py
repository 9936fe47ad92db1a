"""``weft debug``: gdb or lldb at a source line of a function."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Literal

from cyclopts import Parameter

from weft.cli import options
from weft.cli.debuggee import SAME
from weft.cli.run import OWN_OPTIONS as RUN_OPTIONS
from weft.core.errors import InputError, UsageError
from weft.core.units import format_size

Flags = Annotated[list[str], Parameter(negative="", show_default=False)]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]

OWN_OPTIONS = ("--break", "--command", "--batch", "--input", "--source", "--debugger")
MAX_INPUT = 256 * 2**20
"""Bytes of standard input that are kept for the function."""

_TIMES = ("time", "start")


def debug(
    target: str,
    /,
    *args: Annotated[str, Parameter(allow_leading_hyphen=True)],
    break_: Annotated[list[str], Parameter(name="--break", negative="", show_default=False)] = [],  # noqa: B006 - as in run
    command: Flags = [],  # noqa: B006
    batch: Switch = False,
    input: Path | None = None,  # noqa: A002
    source: Flags = [],  # noqa: B006
    debugger: Literal["gdb", "lldb"] | None = None,
) -> int:
    """Debug a function: gdb or lldb stops at a line of its source and shows its variables.

        weft debug counter --input cat.jpg
        weft debug counter.wasm --break function.c:32 < cat.jpg
        weft debug counter.wasm --batch --command 'info locals' --command bt --input cat.jpg

    The module needs debug information: a folder is built with it, a module comes from `weft build --debug`. Every
    other option is one of `weft run`, and stands after the module; time limits are off.

    Parameters
    ----------
    target
        A function's folder, or its .wasm.
    args
        Options of `weft run`, and the guest's arguments.
    break_
        Where to stop: FUNCTION or FILE:LINE (default: where the host calls the function).
    command
        A command for the debugger, once it has stopped.
    batch
        Ask nothing: run the commands at the first stop, print what they say, and end.
    input
        The file that is the function's standard input.
    source
        Where the sources are now: FOLDER, or BUILT=FOLDER for those compiled in BUILT.
    debugger
        gdb or lldb; gdb by default, where it is installed.
    """
    from weft.toolchains.debuggers import Session, find_debugger
    from weft.wasm.debug_info import check_debuggable

    unknown = [word for word in args if word.partition("=")[0] not in RUN_OPTIONS]
    options.check_words(unknown, (*OWN_OPTIONS, *RUN_OPTIONS))
    if command and not batch:
        raise UsageError("--command needs --batch", cure="add --batch, or type it in the debugger")
    path = _existing(target)
    tool = find_debugger(debugger)
    module = _built(path) if path.is_dir() else path
    exports = check_debuggable(module)
    with _standard_input(input) as given, _outputs() as outputs:
        session = Session(
            # lldb hands on no more than the three streams; and does not turn them off
            process=_process([given, *(map(str, outputs) if tool.name == "gdb" else (SAME, SAME))], module, args),
            breaks=break_,
            defaults=_defaults(exports),
            commands=command,
            batch=batch,
            sources=[*source, *([str(module.resolve().parent)] if tool.name == "gdb" else [])],
        )
        return _run(tool.words(session), outputs, batch=batch)


def _existing(target: str) -> Path:
    path = options.existing(target, "module")
    if path.suffix in {".py", ".yaml", ".yml"}:
        raise UsageError("only WebAssembly modules can be debugged", where=target, cure="see weft run --trace-host")
    return path


def _built(path: Path) -> Path:
    """The module of a folder, built for the debugger."""
    from weft.toolchains.compiling import build

    built = build(path, debug=True)
    sys.stderr.write(built.messages)
    return built.module


def _defaults(exports: Sequence[str]) -> list[str]:
    """Where a function begins, by what it exports: the ABI's function, else a program's main, else any of its own."""
    for name in ("weft_handle", "yomo_handler"):
        if name in exports:
            return [name]
    if "_start" in exports:
        return ["main", "_start"]
    return [name for name in exports if not name.startswith("_")]


def _process(streams: Sequence[str], module: Path, args: Sequence[str]) -> list[str]:
    """The process that runs the function, without time limits: a person thinks longer."""
    tokens = list(options.command_line.get())
    guests = len(tokens) - tokens.index("--") - 1 if "--" in tokens else 0
    ours, theirs = list(args[: len(args) - guests]), list(args[len(args) - guests :])
    words = ["run", str(module), "--timeout", "none", "--limit", "start=none", *_timeless(ours)]
    return [sys.executable, "-m", "weft.cli.debuggee", *streams, *words, *(["--", *theirs] if theirs else [])]


def _timeless(words: Sequence[str]) -> Iterator[str]:
    """The words without time limits."""
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name not in {"--timeout", "--limit"}:
            yield word
            continue
        value = value if equals else next(rest, "")
        if name == "--limit" and value.partition("=")[0] not in _TIMES:
            yield from (name, value)


@contextmanager
def _standard_input(path: Path | None) -> Iterator[str]:
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
def _outputs() -> Iterator[tuple[int, int]]:
    """Standard output and error once more, for the function, while the debugger turns its own off."""
    numbers = os.dup(1), os.dup(2)
    try:
        yield numbers
    finally:
        for number in numbers:
            os.close(number)


def _run(words: Sequence[str], outputs: Sequence[int], *, batch: bool) -> int:
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
