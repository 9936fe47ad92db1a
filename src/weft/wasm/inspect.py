"""What a module is and needs, without running it: the data behind ``weft inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wasmtime

from weft.core.errors import ModuleError
from weft.wasm.abi.detect import detect
from weft.wasm.host import host_module, host_modules
from weft.wasm.program import WASI, signature_of
from weft.wasm.source import LoadedComponent, LoadedModule, load

PAGE = 65536
_WASI_DIRS = ("path_", "fd_prestat", "fd_readdir")
_WASI_ENV = "environ_"


def inspect(path: Path, *, trust: bool = False) -> dict[str, Any]:
    """ABI, imports, exports, the grants it needs, memory and size. Raises as :func:`weft.wasm.source.load`."""
    module = load(path, trust=trust)
    if isinstance(module, LoadedComponent):
        from weft.wasm.component.inspect import inspect_component

        return inspect_component(module)
    return {
        "path": str(path),
        "form": module.form,
        "size": module.size,
        "digest": f"sha256:{module.digest}",
        "abi": _abi(module),
        "imports": _imports(module),
        "exports": {export.name: signature_of(export.type) for export in module.raw.exports},
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
    asked = [
        grant
        for name, functions in imports.items()
        for host in host_modules().get(name, ())
        for grant in host.asks(frozenset(functions))
    ]
    needed = list(dict.fromkeys(asked))
    if any(name.startswith(_WASI_DIRS) and name != "fd_prestat_get" for name in wasi if "path_open" in wasi):
        needed.append("maybe directories: --dir HOST:GUEST:ro")
    if any(name.startswith(_WASI_ENV) for name in wasi):
        needed.append("maybe environment: --env NAME=VALUE")
    return needed


def _unknown(module: LoadedModule) -> list[str]:
    """Imports nobody provides: the module will not start."""
    return [
        f"{imported.module}.{imported.name}"
        for imported in module.raw.imports
        if imported.module != WASI and host_module(imported.module, imported.name or "") is None
    ]
