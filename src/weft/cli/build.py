"""``weft build``: a function's folder to its module, and a look at what came out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.core.errors import DeniedError, ModuleError

if TYPE_CHECKING:
    from weft.toolchains.compiling import Built


def build(
    folder: Path = Path(),
    /,
    *,
    debug: Annotated[bool, Parameter(negative="--release", show_default=False)] = False,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Compile a function to NAME.wasm in its folder, and check that Weft can run it.

        weft build counter
        weft build counter --debug

    Finds the compiler in the running Python's environment and then on PATH; where there is none, says which command
    installs it.

    Parameters
    ----------
    folder
        The function's folder, with its function.toml; the current one by default.
    debug
        Build for the debugger, without optimisation; --release, the default, is for speed.
    json
        Print the result as JSON.
    """
    from weft.cli.output import print_json
    from weft.toolchains.compiling import build as compile_folder

    built = compile_folder(folder, debug=debug)
    sys.stderr.write(built.messages)
    found = check(built.module)
    if json:
        print_json(_record(built, found))
    else:
        sys.stdout.write(_story(built, found))
    return 0


def check(module: Path) -> Mapping[str, Any]:
    """What a module is, once it is sure that Weft can start it. Raises ModuleError, with the cure."""
    from weft.flow.functions import FunctionOptions, load_function
    from weft.wasm.inspect import inspect

    found = inspect(module)
    if found["abi"] is None:
        raise ModuleError(
            "exports nothing Weft could call", where=str(module), cure="export weft_handle; see docs/functions"
        )
    with suppress(DeniedError):  # grants are given when it runs
        load_function(module, FunctionOptions())
    return found


def _record(built: Built, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "function": built.function.name,
        "lang": built.function.lang,
        "compiler": built.tool.title,
        "debug": built.debug,
        "seconds": round(built.seconds, 3),
        "module": str(built.module),
        **{key: found[key] for key in ("size", "digest", "abi", "imports", "grants")},
    }


def _story(built: Built, found: Mapping[str, Any]) -> str:
    from weft.core.units import format_duration, format_size

    how = "for the debugger" if built.debug else "for speed"
    lines = [
        f"{built.module}  {format_size(found['size'])}, {found['abi']}",
        f"  built {how} by {built.tool.title} in {format_duration(built.seconds)}",
        f"  grants it needs: {'; '.join(found['grants']) or 'none'}",
    ]
    return "\n".join(lines) + "\n"
