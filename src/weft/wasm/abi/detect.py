"""Which ABI a module speaks, from what it exports and imports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import wasmtime

from weft.core.errors import ModuleError, UsageError
from weft.core.suggest import did_you_mean
from weft.wasm.abi import abis
from weft.wasm.abi.base import Abi
from weft.wasm.abi.component import HANDLE
from weft.wasm.program import signature_of

_FOR_COMPONENTS = {"component": {"handle": HANDLE, "init": HANDLE}, "command": {"_start": "func() -> result"}}
"""The ABIs that call components, the first to try first, with the functions they call."""


def detect(module: wasmtime.Module, path: Path) -> type[Abi]:
    """The ABI of a module. Raises ModuleError, saying what was looked for, when it speaks none."""
    functions = _functions(module)
    imports = frozenset(imported.module for imported in module.imports)
    for abi in abis().values():
        if abi.matches(frozenset(functions), imports):
            return abi
    seen = ", ".join(sorted(functions)) or "none"
    raise ModuleError(
        f"speaks no ABI Weft knows; its exported functions: {seen}",
        where=str(path),
        cure="export weft_handle (a reactor) or _start (a command); see docs/functions",
    )


def choose(name: str | type[Abi] | None, module: wasmtime.Module, path: Path) -> type[Abi]:
    """The named ABI, the given one, or the detected one for None and "auto".

    Raises UsageError for an unknown name and ModuleError when the module lacks what the ABI needs.
    """
    abi = name if isinstance(name, type) else _detected_or_named(name, module, path)
    functions = _functions(module)
    for function, signature in abi.needs.items():
        if function not in functions:
            raise ModuleError(
                f"exports no {function}, which the ABI '{abi.name}' calls",
                where=str(path),
                cure=f"export {function} {signature}, or leave the ABI out to have it detected",
            )
    for function, signature in {**abi.needs, **abi.may_have}.items():
        if functions.get(function, signature) not in {signature, *signature.split(" | ")}:
            raise ModuleError(
                f"exports {function} as {functions[function]}, but the ABI '{abi.name}' calls it as {signature}",
                where=str(path),
                cure="see docs/functions",
            )
    return abi


def choose_for_component(name: str | type[Abi] | None, functions: Mapping[str, str], path: Path) -> type[Abi]:
    """As :func:`choose`, for a component that exports these functions."""
    named = name if isinstance(name, type) else None if name in {None, "auto"} else _named(str(name))
    able = [abis()[abi] for abi, calls in _FOR_COMPONENTS.items() if next(iter(calls)) in functions]
    chosen = next((abi for abi in able if named in {None, abi}), None)
    if chosen is None:
        seen = ", ".join(sorted(functions)) or "none"
        how = f"as '{named.name}'" if named else "at all"
        raise ModuleError(
            f"a component that cannot be called {how}; its exported functions: {seen}",
            where=str(path),
            cure="export handle (the world weft:function) or wasi:cli/run (a command); see docs/components",
        )
    for function, signature in _FOR_COMPONENTS[chosen.name].items():
        if functions.get(function, signature) != signature:
            raise ModuleError(
                f"exports {function} as {functions[function]}, but the ABI '{chosen.name}' calls it as {signature}",
                where=str(path),
                cure="build it against the current WIT files; see docs/components",
            )
    return chosen


def _detected_or_named(name: str | None, module: wasmtime.Module, path: Path) -> type[Abi]:
    return detect(module, path) if name in {None, "auto"} else _named(str(name))


def _named(name: str) -> type[Abi]:
    abi = abis().get(name)
    if abi is None:
        raise UsageError(f"no ABI '{name}'", cure=did_you_mean(name, abis()) or f"one of {', '.join(abis())}")
    return abi


def _functions(module: wasmtime.Module) -> dict[str, str]:
    return {
        export.name: signature_of(export.type)
        for export in module.exports
        if isinstance(export.type, wasmtime.FuncType)
    }
