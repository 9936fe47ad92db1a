"""Modules: compile one, look into one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli import options
from weft.core.errors import OutputError
from weft.core.resources import SHIPPED
from weft.core.units import format_size

if TYPE_CHECKING:
    pass

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


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
        weft inspect classify.yaml

    For a classifier: its model and engine, the input and output, with all that its document leaves to the model.

    Parameters
    ----------
    module
        The .wasm, .wat or .cwasm module, or a classifier's .yaml.
    trust
        Load compiled code that was not made here by you.
    json
        Print it as JSON.
    """
    from weft.cli.output import print_fields, print_json

    if Path(module).suffix in (".yaml", ".yml"):
        from weft.cli.classify import described

        shown = described(options.existing(module, "classifier"))
        print_json(shown) if json else print_fields(module, shown)
        return 0
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
