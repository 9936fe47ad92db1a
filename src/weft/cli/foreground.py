"""A module in the foreground: standard input is its frame, what it emits goes to standard output.

Apart from the commands, so that a plain call starts without the library that reads options.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from weft.cli import options
from weft.core.errors import GuestExit, InputError, UsageError
from weft.core.frame import Frame
from weft.core.limits import Grants, Limits
from weft.core.model import ModelOptions
from weft.core.units import format_size

if TYPE_CHECKING:
    from weft.wasm.abi.base import Terminal
    from weft.wasm.function import Function

FOREGROUND = options.limits(None, None)

MAX_FRAME = 256 * 2**20
"""Bytes of standard input that one frame may be."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """How the granted models are to run."""

    engine: str | None = None
    device: str = "cpu"
    precision: str = "f32"
    threads: int = 0


def run_module(
    path: Path,
    *,
    args: tuple[str, ...] = (),
    models: Mapping[str, str] = MappingProxyType({}),
    choice: ModelChoice = ModelChoice(),
    config: Mapping[str, str] = MappingProxyType({}),
    grants: Grants = Grants(),
    limits: Limits = FOREGROUND,
    abi: str | None = None,
    media_type: str = "",
    trust: bool = False,
    log_level: str = "warning",
) -> int:
    """Run a module once: standard input is its frame, what it emits goes to standard output.

    Returns a command's own exit code; raises GuestError for everything else that failed.
    """
    from weft.cli import logs
    from weft.flow.callable import LoadedFunction
    from weft.flow.functions import FunctionOptions, ModelGrant, load_function

    logs.configure(log_level, "text")
    how = ModelOptions(choice.engine, choice.device, choice.precision, choice.threads)
    granted = {name: ModelGrant(options.existing(file, "model"), how) for name, file in models.items()}
    wanted = FunctionOptions(
        abi=abi, models=granted, grants=grants, limits=limits, config=config, args=args, trust=trust
    )
    function = load_function(path, wanted)
    terminal = _terminal(function)
    frame = Frame(b"" if terminal and terminal.inherit_stdin else _read_stdin(), media_type=media_type)
    with LoadedFunction(function, terminal) as loaded:
        try:
            emitted = loaded(frame)
        except GuestExit as error:
            return _exit_code(error)
    for result in emitted:
        _write(result.payload, newline=result.media_type in {"application/json", "text/plain"})
    return 0


def _terminal(function: Function) -> Terminal | None:
    """A command in the foreground has the process's own streams; others get standard input as a frame."""
    from weft.wasm.abi.base import Terminal

    if not function.abi.one_shot:
        return None
    wants_frame = any(slot.host.takes_frame for slot in function.program.slots)
    return Terminal(inherit_stdin=not wants_frame, out=_write, err=_write_error)


def _exit_code(error: GuestExit) -> int:
    """The guest's own code; its reasons, where the host refused it something, go to standard error."""
    if error.cure:
        from weft.cli.output import print_error

        print_error(error)
    return error.code & 0xFF


def _read_stdin() -> bytes:
    if sys.stdin.isatty():
        raise UsageError(
            "nothing on standard input", cure="give the function its frame, as in: weft run f.wasm < cat.jpg"
        )
    data = sys.stdin.buffer.read(MAX_FRAME + 1)
    if len(data) > MAX_FRAME:
        raise InputError(
            f"one frame is at most {format_size(MAX_FRAME)}", where="standard input", cure="use a pipeline for a stream"
        )
    return data


def _write(data: bytes, *, newline: bool = False) -> None:
    view = memoryview(data + b"\n" if newline and not data.endswith(b"\n") else data)
    while view:
        view = view[os.write(1, view) :]


def _write_error(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.flush()


def run_plain(words: Sequence[str]) -> int:
    """``weft run MODULE WORDS…`` without any option: every word is the guest's, but for the first ``--``."""
    target, *args = words
    if "--" in args:
        args.remove("--")
    return run_module(options.module(target), args=tuple(args))


def is_plain(words: Sequence[str]) -> bool:
    """True when the words after ``run`` are a module and its arguments, and nothing that could be an option."""
    ours = words[: words.index("--")] if "--" in words else words
    return bool(ours) and not ours[0].endswith((".yaml", ".yml")) and not any(word.startswith("-") for word in ours)
