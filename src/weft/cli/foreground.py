"""A module in the foreground: standard input is its frame, what it emits goes to standard output.

Apart from the commands, so that a plain call starts without the library that reads options.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weft.cli import options
from weft.core.errors import GuestExit, InputError, UsageError
from weft.core.frame import Frame
from weft.core.limits import Grants
from weft.core.units import format_size

if TYPE_CHECKING:
    from weft.core.protocols import Function, Terminal
    from weft.flow.functions import FunctionOptions

FOREGROUND = options.limits(None, None)

DOCUMENTS = (".yaml", ".yml")

MAX_FRAME = 256 * 2**20
"""Bytes of standard input that one frame may be."""


def run_module(path: Path, wanted: FunctionOptions, media_type: str = "", log_level: str = "warning") -> int:
    """Run a module once: standard input is its frame, what it emits goes to standard output.

    Returns a command's own exit code; raises GuestError for everything else that failed.
    """
    from weft.cli import logs
    from weft.flow.callable import LoadedFunction
    from weft.flow.functions import load_function

    logs.configure(log_level, "text")
    function = load_function(path, wanted)
    terminal = _terminal(function)
    unread = terminal is not None and terminal.inherit_stdin
    frame = Frame(b"" if unread else _read_frame(wanted.args, wanted.grants), media_type=media_type)
    with LoadedFunction(function, terminal) as loaded:
        try:
            emitted = loaded(frame)
        except GuestExit as error:
            return _exit_code(error)
    for result in emitted:
        write(result.payload, newline=result.media_type in {"application/json", "text/plain"})
    return 0


def _terminal(function: Function) -> Terminal | None:
    """A command in the foreground has the process's own streams; others get standard input as a frame."""
    from weft.core.protocols import Terminal

    if not function.uses_terminal:
        return None
    return Terminal(inherit_stdin=not function.takes_frame, out=write, err=_write_error)


def _read_frame(args: Sequence[str], grants: Grants) -> bytes:
    """Standard input. Raises UsageError where it has nothing, and a file stands among the arguments instead."""
    # A function that was granted a directory may mean to open the file itself.
    named = next((word for word in args if os.path.isfile(word)), "") if not grants.dirs else ""  # noqa: PTH113 - never raises
    example = f"weft run … < {named}" if named else "weft run f.wasm < cat.jpg"
    data = read_stdin(example)
    if named and not data:
        what = f"the function takes its frame from standard input, where there is nothing, and not from '{named}'"
        raise UsageError(what, cure=f"redirect it: {example}")
    return data


def _exit_code(error: GuestExit) -> int:
    """The guest's own code; its reasons, where the host refused it something, go to standard error."""
    if error.cure:
        from weft.cli.output import print_error

        print_error(error)
    return error.code & 0xFF


def read_stdin(example: str = "weft run f.wasm < cat.jpg") -> bytes:
    """Standard input as one frame. Raises UsageError for a terminal and InputError for too much."""
    if sys.stdin.isatty():
        raise UsageError("nothing on standard input", cure=f"give the function its frame, as in: {example}")
    data = sys.stdin.buffer.read(MAX_FRAME + 1)
    if len(data) > MAX_FRAME:
        raise InputError(
            f"one frame is at most {format_size(MAX_FRAME)}", where="standard input", cure="use a pipeline for a stream"
        )
    return data


def write(data: bytes, *, newline: bool = False) -> None:
    """Bytes on standard output, all of them, at once; with a newline at their end where it is wanted."""
    view = memoryview(data + b"\n" if newline and not data.endswith(b"\n") else data)
    while view:
        view = view[os.write(1, view) :]


def _write_error(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.flush()


def run_plain(words: Sequence[str]) -> int:
    """``weft run TARGET WORDS…`` without any option: every word is the guest's, but for the first ``--``."""
    target, *args = words
    target = options.target(target)
    if target.endswith(DOCUMENTS):
        return _run_document(Path(target))
    if "--" in args:
        args.remove("--")
    return run_module(options.module(target), _plain_options(tuple(args)))


def _plain_options(args: tuple[str, ...]) -> FunctionOptions:
    """Of a function that is granted nothing."""
    from weft.flow.functions import FunctionOptions

    return FunctionOptions(limits=FOREGROUND, args=args)


def is_plain(words: Sequence[str]) -> bool:
    """True when the words after ``run`` are a document alone, or a module and its arguments, and no option is there."""
    ours = words[: words.index("--")] if "--" in words else words
    if not ours or any(word.startswith("-") for word in ours):
        return False
    return len(words) == 1 or not ours[0].endswith(DOCUMENTS)


def _run_document(path: Path) -> int:
    from weft.spec.kind import file_kind

    if file_kind(path) == "classifier":
        from weft.cli.classify import run_classifier

        return run_classifier(path, FOREGROUND, "", "warning", as_json=False)
    from weft.cli.pipelines import run_pipeline

    return run_pipeline(path, None, "auto", "warning", quiet=False)
