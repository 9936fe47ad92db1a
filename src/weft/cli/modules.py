"""Modules: run one on standard input, compile one, look into one."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli import options
from weft.core.errors import GuestExit, InputError, OutputError, UsageError
from weft.core.frame import Frame
from weft.core.limits import Grants, Limits
from weft.core.model import ModelOptions
from weft.core.resources import SHIPPED
from weft.core.units import format_size

if TYPE_CHECKING:
    from weft.wasm.abi.base import Terminal
    from weft.wasm.function import Function

MAX_FRAME = 256 * 2**20
"""Bytes of standard input that one frame may be."""
Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """How the granted models are to run."""

    engine: str | None
    device: str
    precision: str
    threads: int


def run_module(
    path: Path,
    *,
    args: tuple[str, ...],
    models: Mapping[str, str],
    choice: ModelChoice,
    config: Mapping[str, str],
    grants: Grants,
    limits: Limits,
    abi: str | None,
    media_type: str,
    trust: bool,
    log_level: str,
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


def compile_(
    module: str, /, *, output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None, json: Switch = False
) -> int:
    """Compile a module ahead of time, so that it starts in milliseconds.

        weft compile classify.wasm -o classify.cwasm
        weft run classify.cwasm --model net=mobilenetv2.onnx < cat.jpg

    The result is bound to this machine's kind of CPU, this version of Weft and you: it is native code, and
    Weft only loads what you compiled yourself, or what you say to --trust.

    Parameters
    ----------
    module
        The .wasm or .wat module.
    output
        Where to write it; beside the module (here, for one that ships with Weft), ending in .cwasm, by default.
    json
        Print the result as JSON.
    """
    from weft.cli.output import print_json
    from weft.wasm.source import compile_to

    path = options.module(module)
    shipped = module.startswith(SHIPPED)
    target = output or (Path(f"{path.stem}.cwasm") if shipped else path.with_suffix(".cwasm"))
    if target.resolve() == path.resolve():
        raise OutputError("the result would replace the module", where=str(target), cure="choose another -o")
    loaded = compile_to(path, target)
    size = target.stat().st_size
    if json:
        print_json({"module": str(path), "output": str(target), "digest": f"sha256:{loaded.digest}", "size": size})
    else:
        sys.stdout.write(f"{target}  {format_size(size)}\n")
    return 0


def inspect(module: str, /, *, trust: Switch = False, json: Switch = False) -> int:
    """Show what a module is: its ABI, imports and exports, the grants it needs, its size.

        weft inspect classify.wasm

    Parameters
    ----------
    module
        The .wasm, .wat or .cwasm module.
    trust
        Load compiled code that was not made here by you.
    json
        Print it as JSON.
    """
    from weft.cli.output import print_fields, print_json
    from weft.wasm.inspect import inspect as look

    found = look(options.module(module), trust=trust)
    if json:
        print_json(found)
    else:
        print_fields(found["path"], _inspect_fields(found))
    return 0


def _inspect_fields(found: Mapping[str, object]) -> dict[str, object]:
    imports, exports, memory = found["imports"], found["exports"], found["memory"]
    assert isinstance(imports, dict)
    assert isinstance(exports, dict)
    fields: dict[str, object] = {
        "form": found["form"],
        "size": format_size(int(str(found["size"]))),
        "digest": found["digest"],
        "abi": found["abi"] or "none that Weft knows",
    }
    if isinstance(memory, dict):
        most = format_size(memory["maximum"]) if memory["maximum"] else "as limits.memory allows"
        fields["memory"] = f"{format_size(memory['initial'])} at its start, at most {most}"
    fields["imports"] = [f"{name}: {', '.join(functions)}" for name, functions in imports.items()] or "nothing"
    fields["exports"] = [f"{name} {ty}" for name, ty in exports.items()]
    fields["grants"] = found["grants"] or "none"
    fields["unknown"] = found["unknown"]
    return fields
