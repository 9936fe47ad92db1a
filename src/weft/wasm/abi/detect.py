"""Which ABI a module speaks, from what it exports and imports."""

from __future__ import annotations

from pathlib import Path

import wasmtime

from weft.core.errors import ModuleError, UsageError
from weft.core.suggest import did_you_mean
from weft.wasm.abi import abis
from weft.wasm.abi.base import Abi


def detect(module: wasmtime.Module, path: Path) -> type[Abi]:
    """The ABI of a module. Raises ModuleError, saying what was looked for, when it speaks none."""
    exports = frozenset(export.name for export in module.exports)
    imports = frozenset(imported.module for imported in module.imports)
    for abi in abis().values():
        if abi.matches(exports, imports):
            return abi
    seen = ", ".join(sorted(exports)) or "nothing"
    raise ModuleError(
        f"speaks no ABI Weft knows: it exports {seen}",
        where=str(path),
        cure="export weft_handle (a reactor) or _start (a command); see docs/functions",
    )


def choose(name: str | None, module: wasmtime.Module, path: Path) -> type[Abi]:
    """The named ABI, or the detected one for None and "auto".

    Raises UsageError for an unknown name and ModuleError when the module lacks what the ABI needs.
    """
    if name in {None, "auto"}:
        return detect(module, path)
    abi = abis().get(str(name))
    if abi is None:
        raise UsageError(f"no ABI '{name}'", cure=did_you_mean(str(name), abis()) or f"one of {', '.join(abis())}")
    return abi
