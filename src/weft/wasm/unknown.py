"""What to tell somebody whose module imports what nobody provides: the nearest import, its grant, or a way out."""

from __future__ import annotations

from weft.core.suggest import nearest
from weft.wasm.host import host_modules, signatures

_REBUILD = "build it for wasm32-wasip1 (wasm32-wasi)"

_WAYS_OUT = {
    "wasi_unstable": f"that is WASI's first draft; {_REBUILD} with a current toolchain",
    "wasi": f"that is no WASI preview 1; {_REBUILD} with a current toolchain",
    "wbg": f"wasm-bindgen made it for JavaScript; {_REBUILD}, without JavaScript types in its functions",
    "__wbindgen_placeholder__": "run wasm-bindgen on it, or build it without wasm-bindgen",
    "go": "Go made it for a browser; build it with GOOS=wasip1 GOARCH=wasm",
    "gojs": "Go made it for a browser; build it with GOOS=wasip1 GOARCH=wasm",
    "a": "Emscripten made it for JavaScript; build it with -sSTANDALONE_WASM",
    "wasmedge_process": "a guest cannot start processes of the host; do that work in the guest",
    "wasi_experimental_http": "a guest has no network; let a source of the pipeline fetch what it needs",
}
_FUNCTIONS = {
    ("env", "yomo_http_send"): "a guest has no network; let a source of the pipeline fetch what it needs",
    ("env", "abort"): "AssemblyScript asks for it; compile with --use abort=NAME and your own function",
    ("env", "memory"): "the guest must have its own memory: link it without --import-memory",
}


def cure_for_import(namespace: str, name: str) -> str:
    """What would help a module that imports ``namespace.name``, which no host module provides."""
    if way_out := _FUNCTIONS.get((namespace, name)) or _WAYS_OUT.get(namespace):
        return way_out
    if namespace == "wasi_snapshot_preview1" and name.startswith("sock_"):
        return "a guest has no network; let a source of the pipeline fetch what it needs"
    if namespace == "wasi_snapshot_preview1":
        return f"WASI preview 1 has no such function; {_REBUILD} with a current toolchain"
    if match := _nearest_import(namespace, name):
        return match
    if functions := sorted(signatures(namespace)):
        return f"{namespace} has {', '.join(functions)}"
    return f"Weft provides {', '.join(sorted(_offered()))}; `weft inspect` lists all imports of the module"


def _offered() -> list[str]:
    return [name for name, classes in host_modules().items() if any(cls.offered for cls in classes)]


def _nearest_import(namespace: str, name: str) -> str:
    """The import that was probably meant, and what allows a guest to use it."""
    if same := signatures(namespace):
        near = nearest(name, same)
        match = f"{namespace}.{near}" if near else None
    else:
        match = nearest(
            f"{namespace}.{name}",
            [f"{module}.{function}" for module in _offered() for function in signatures(module)],
        )
    if match is None:
        return ""
    module, _, function = match.partition(".")
    grant = next(cls.grant for cls in host_modules()[module] if function in cls.signatures())
    return f"did you mean '{match}'?" + (f" What allows it: {grant}" if grant else "")
