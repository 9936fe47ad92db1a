"""What a module is and needs, without running it: the data behind ``weft inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wasmtime

from weft.core.errors import ModuleError
from weft.wasm.abi.detect import detect
from weft.wasm.host import host_modules
from weft.wasm.program import WASI
from weft.wasm.source import LoadedModule, load_module

PAGE = 65536
_WASI_DIRS = ("path_", "fd_prestat", "fd_readdir")
_WASI_ENV = "environ_"


def inspect(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """ABI, imports, exports, the grants it needs, memory and size. Raises as :func:`load_module`."""
    module = load_module(path, trust=trust)
    return {
        "path": str(path),
        "form": module.form,
        "size": module.size,
        "digest": f"sha256:{module.digest}",
        "abi": _abi(module),
        "imports": _imports(module),
        "exports": {export.name: _type(export.type) for export in module.raw.exports},
        "memory": _memory(module),
        "grants": _grants(module),
        "unknown": _unknown(module),
    }


def _abi(module: LoadedModule) -> str | None:
    try:
        return detect(module.raw, module.path).name
    except ModuleError:
        return None


def _imports(module: LoadedModule) -> dict[str, list[str]]:
    imports: dict[str, list[str]] = {}
    for imported in module.raw.imports:
        imports.setdefault(imported.module, []).append(imported.name or "")
    return imports


def _memory(module: LoadedModule) -> dict[str, int | None] | None:
    for export in module.raw.exports:
        if isinstance(export.type, wasmtime.MemoryType):
            limits = export.type.limits
            return {"initial": limits.min * PAGE, "maximum": limits.max * PAGE if limits.max else None}
    return None


def _grants(module: LoadedModule) -> list[str]:
    """What the imports suggest that the function will ask for."""
    imports = _imports(module)
    wasi = imports.get(WASI, [])
    needed = []
    if "wasi_ephemeral_nn" in imports:
        named = any(name.startswith("load_by_name") for name in imports["wasi_ephemeral_nn"])
        needed += ["a model by name: --model NAME=FILE"] if named else []
        needed += ["its own model bytes: --allow nn.load"] if "load" in imports["wasi_ephemeral_nn"] else []
    if any(name.startswith(_WASI_DIRS) and name != "fd_prestat_get" for name in wasi if "path_open" in wasi):
        needed.append("maybe directories: --dir HOST:GUEST:ro")
    if any(name.startswith(_WASI_ENV) for name in wasi):
        needed.append("maybe environment: --env NAME=VALUE")
    return needed


def _unknown(module: LoadedModule) -> list[str]:
    """Imports nobody provides: the module will not start."""
    known = {(host.name, name) for host in host_modules().values() for name in host.signatures()}
    return [
        f"{imported.module}.{imported.name}"
        for imported in module.raw.imports
        if imported.module != WASI and (imported.module, imported.name) not in known
    ]


def _type(ty: object) -> str:
    if isinstance(ty, wasmtime.FuncType):
        return f"({' '.join(map(str, ty.params))}) -> ({' '.join(map(str, ty.results))})"
    return {"MemoryType": "memory", "GlobalType": "global", "TableType": "table"}.get(type(ty).__name__, "other")
