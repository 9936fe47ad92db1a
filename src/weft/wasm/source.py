"""A module as it came from disk: read, recognised, and compiled or loaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import wasmtime

from weft.core.errors import DeniedError, ModuleError, NotFoundError
from weft.core.files import read_whole
from weft.core.units import format_size
from weft.wasm import compiled
from weft.wasm.engine import engine

MAX_MODULE = 256 * 2**20
"""Bytes; a larger file is refused before it is read."""

_CORE = b"\0asm\x01\0\0\0"
_COMPONENT = b"\0asm\x0d\0\x01\0"
_ELF = b"\x7fELF"
_LOOKS_LIKE = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
    b"#!": "a script",
}


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A compiled module with its origin.

    Attributes:
        name: the file's name without its ending.
        path: where it came from.
        digest: SHA-256 of the WebAssembly, also for a module that was compiled before.
        size: bytes of the file.
        form: ``wasm``, ``wat`` or ``cwasm``.
        raw: wasmtime's module.
    """

    name: str
    path: Path
    digest: str
    size: int
    form: str
    raw: wasmtime.Module


def load_module(path: Path, *, trust: bool = False) -> LoadedModule:
    """Read and compile a module, or load compiled code.

    ``trust`` loads compiled code that was not made here. Raises NotFoundError, ModuleError, DeniedError.
    """
    data = read_module(path)
    if data.startswith(compiled.MAGIC):
        return _load_compiled(path, data, trust=trust)
    if data.startswith(_ELF):
        return _load_foreign(path, data, trust=trust)
    wasm, form = (_from_text(data, path), "wat") if _is_text(data) else (data, "wasm")
    check_core(wasm, str(path))
    raw = engine().compile(wasm, str(path))
    return LoadedModule(path.stem, path, hashlib.sha256(wasm).hexdigest(), len(data), form, raw)


def read_module(path: Path) -> bytes:
    """The bytes of a module's file. Raises NotFoundError or ModuleError (a folder, too large)."""
    try:
        data = read_whole(path, MAX_MODULE)
    except FileNotFoundError:
        raise NotFoundError("no such file", where=str(path), cure="check the path of the module") from None
    except OSError as error:
        cure = "give a .wasm, .wat or .cwasm file"
        raise ModuleError(f"cannot read it: {error.strerror}", where=str(path), cure=cure) from error
    if len(data) > MAX_MODULE:
        raise ModuleError(f"it is over the limit of {format_size(MAX_MODULE)}", where=str(path))
    return data


def check_core(wasm: bytes, where: str) -> None:
    """Raise ModuleError, saying what it looks like instead, unless the bytes start as a core module does."""
    if wasm.startswith(_CORE):
        return
    if wasm.startswith(_COMPONENT):
        raise ModuleError(
            "this is a WebAssembly component; Weft runs core modules",
            where=where,
            cure="build for wasm32-wasip1 (wasm32-wasi) instead of wasip2",
        )
    seen = next((name for magic, name in _LOOKS_LIKE.items() if wasm.startswith(magic)), None)
    what = f"it looks like {seen}" if seen else _beginning(wasm)
    raise ModuleError(
        f"not a WebAssembly module: {what}",
        where=where,
        cure="give a .wasm, .wat or .cwasm file, or a pipeline's .yaml",
    )


def _beginning(data: bytes) -> str:
    if not data:
        return "it is empty"
    start = data[:16]
    return (
        f"it starts with {start.decode()!r}"
        if start.isascii() and start[:4].isalnum()
        else f"it starts with {start[:4].hex(' ')}"
    )


def compile_to(path: Path, output: Path) -> LoadedModule:
    """Compile a module ahead of time into ``output``. Raises as :func:`load_module`, and OutputError."""
    module = load_module(path)
    if module.form == "cwasm":
        raise ModuleError("it is compiled already", where=str(path), cure="give the .wasm it was made from")
    header = compiled.Header(module.name, module.digest, engine().fingerprint)
    compiled.write_compiled(output, header, bytes(module.raw.serialize()))
    return module


def _load_compiled(path: Path, data: bytes, *, trust: bool) -> LoadedModule:
    header, code = compiled.unseal(data, str(path), trust=trust)
    if header.engine != engine().fingerprint:
        raise ModuleError(
            f"compiled for {header.engine}, and this is {engine().fingerprint}",
            where=str(path),
            cure="compile it again with `weft compile`",
        )
    raw = engine().load(code, str(path))
    return LoadedModule(header.name, path, header.digest, len(data), "cwasm", raw)


def _load_foreign(path: Path, data: bytes, *, trust: bool) -> LoadedModule:
    if not trust:
        raise DeniedError(
            "native code that Weft did not compile",
            where=str(path),
            cure="compile the .wasm with `weft compile`, or pass --trust if you know who made it",
        )
    raw = engine().load(data, str(path))
    return LoadedModule(path.stem, path, hashlib.sha256(data).hexdigest(), len(data), "cwasm", raw)


def _is_text(data: bytes) -> bool:
    return data.lstrip()[:1] == b"(" or data.lstrip().startswith(b";;")


def _from_text(data: bytes, path: Path) -> bytes:
    try:
        return bytes(wasmtime.wat2wasm(data))
    except wasmtime.WasmtimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModuleError(f"the WebAssembly text does not parse: {'; '.join(lines)}", where=str(path)) from error
