"""What a component is and needs, without running it."""

from __future__ import annotations

from typing import Any

from weft.core.errors import ModuleError
from weft.wasm.abi.detect import choose_for_component
from weft.wasm.component import shape
from weft.wasm.component.exports import callable_exports
from weft.wasm.component.imports import unknown
from weft.wasm.component.interfaces import interfaces
from weft.wasm.source import LoadedComponent

_DIRS = "wasi:filesystem/"
_ENV = "wasi:cli/environment@"
_HTTP = "wasi:http/outgoing-handler@"


def inspect_component(module: LoadedComponent) -> dict[str, Any]:
    """As :func:`weft.wasm.inspect.inspect`; the form is ``component``, compiled or not."""
    imports, exports = shape.imports(module.raw), shape.exports(module.raw)
    return {
        "path": str(module.path),
        "form": "component",
        "size": module.size,
        "digest": f"sha256:{module.digest}",
        "abi": _abi(module, exports),
        "imports": {name: list(shape.functions(items)) for name, items in imports.items()},
        "exports": _exports(exports),
        "memory": None,
        "grants": _grants(imports),
        "unknown": list(unknown(imports)),
    }


def _abi(module: LoadedComponent, exports: dict[str, shape.Items]) -> str | None:
    try:
        return choose_for_component(None, callable_exports(exports), module.path).name
    except ModuleError:
        return None


def _exports(exports: dict[str, shape.Items]) -> dict[str, str]:
    return {
        f"{interface}.{name}" if interface else name: text
        for interface, items in exports.items()
        for name, text in shape.functions(items).items()
    }


def _grants(imports: dict[str, shape.Items]) -> list[str]:
    """What it may ask for. A component imports its language's whole world, so little here is certain."""
    asked = [
        f"maybe {grant}"
        for name, items in imports.items()
        if (host := interfaces().get(name))
        for grant in host.asks(frozenset(shape.functions(items)))
    ]
    asked += ["maybe directories: --dir HOST:GUEST:ro"] * any(name.startswith(_DIRS) for name in imports)
    asked += ["requests to hosts: --http HOST"] * any(name.startswith(_HTTP) for name in imports)
    asked += ["maybe environment: --env NAME=VALUE"] * any(name.startswith(_ENV) for name in imports)
    return list(dict.fromkeys(asked))
