"""``weft debug``: gdb or lldb at a source line of a function."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.cli import options
from weft.cli.debug_terminal import outputs, run, standard_input
from weft.cli.debuggee import SAME
from weft.cli.guest_options import Flags, Switch
from weft.cli.run import OWN_OPTIONS as RUN_OPTIONS
from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.toolchains.debuggers import Debugger, Session

_TIMES = ("time", "start")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Debugging:
    """What the debugger does."""

    break_: Annotated[list[str], Parameter(name="--break", negative="", show_default=False)] = field(
        default_factory=list
    )
    """Where to stop: FUNCTION or FILE:LINE (default: where the host calls the function)."""
    command: Flags = field(default_factory=list)
    """A command for the debugger, once it has stopped."""
    batch: Switch = False
    """Ask nothing: run the commands at the first stop, print what they say, and end."""
    input: Path | None = None
    """The file that is the function's standard input."""
    source: Flags = field(default_factory=list)
    """Where the sources are now: FOLDER, or BUILT=FOLDER for those compiled in BUILT."""
    debugger: Literal["gdb", "lldb"] | None = None
    """gdb or lldb; gdb by default, where it is installed."""

    def check(self) -> None:
        """Raises UsageError for options that do nothing."""
        if self.command and not self.batch:
            raise UsageError("--command needs --batch", cure="add --batch, or type it in the debugger")


def debug(
    target: str,
    /,
    *args: Annotated[str, Parameter(allow_leading_hyphen=True)],
    debugging: Debugging = Debugging(),
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
    """
    from weft.toolchains.debuggers import find_debugger
    from weft.wasm.debug_info import check_debuggable

    unknown = [word for word in args if word.partition("=")[0] not in RUN_OPTIONS]
    options.check_words(unknown, (*OWN_OPTIONS, *RUN_OPTIONS))
    debugging.check()
    path = _existing(target)
    tool = find_debugger(debugging.debugger)
    module = _built(path) if path.is_dir() else path
    exports = check_debuggable(module)
    with standard_input(debugging.input) as given, outputs() as own:
        # lldb hands on no more than the three streams; and does not turn them off
        streams = [given, *(map(str, own) if tool.name == "gdb" else (SAME, SAME))]
        session = _session(debugging, tool, _process(streams, module, args), module, exports)
        return run(tool.words(session), own, batch=debugging.batch)


OWN_OPTIONS = options.option_names(debug)


def _session(how: Debugging, tool: Debugger, process: Sequence[str], module: Path, exports: Sequence[str]) -> Session:
    from weft.toolchains.debuggers import Session

    return Session(
        process=process,
        breaks=how.break_,
        defaults=_defaults(exports),
        commands=how.command,
        batch=how.batch,
        sources=[*how.source, *([str(module.resolve().parent)] if tool.name == "gdb" else [])],
    )


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
