"""A module as it came from disk: read, recognised, and compiled or loaded."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import wasmtime

from weft.core.errors import DeniedError, ModuleError, NotFoundError
from weft.core.files import read_whole
from weft.core.suggest import meant_file
from weft.core.units import format_size
from weft.wasm import compiled
from weft.wasm.component.binary import count_memories
from weft.wasm.engine import engine

if TYPE_CHECKING:
    from wasmtime.component import Component

MAX_MODULE = 256 * 2**20
"""Bytes; a larger file is refused before it is read."""

LARGE = 32 * 2**20
"""Bytes; a larger core module is compiled to a file that is mapped; see :mod:`weft.wasm.large`."""

_CORE = b"\0asm\x01\0\0\0"
_COMPONENT = b"\0asm\x0d\0\x01\0"
_ELF = b"\x7fELF"
_ELF_FLAGS = 48
_LOOKS_LIKE = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "gzip data",
    b"#!": "a script",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Compiled code with its origin.

    Attributes:
        name: the file's name without its ending.
        path: where it came from.
        digest: SHA-256 of the WebAssembly, also for a module that was compiled before.
        size: bytes of the file.
        form: ``wasm``, ``wat`` or ``cwasm``.
    """

    name: str
    path: Path
    digest: str
    size: int
    form: str


@dataclass(frozen=True, slots=True)
class LoadedModule(Loaded):
    """A core module; ``raw`` is wasmtime's."""

    raw: wasmtime.Module


@dataclass(frozen=True, slots=True)
class LoadedComponent(Loaded):
    """A component; ``raw`` is wasmtime's, and ``memories`` is how many linear memories its modules define."""

    raw: Component
    memories: int


def load(path: Path, *, trust: bool = False) -> LoadedModule | LoadedComponent:
    """Read and compile a module or component, or load compiled code.

    ``trust`` loads compiled code that was not made here. Raises NotFoundError, ModuleError, DeniedError.
    """
    if _is_large_core(path):
        from weft.wasm.large import load_large

        large = load_large(path)
        return _module(Loaded(path.stem, path, large.digest, path.stat().st_size, "wasm"), large.raw)
    data = read_module(path)
    if data.startswith(compiled.MAGIC):
        return _load_compiled(path, data, trust=trust)
    if data.startswith(_ELF):
        return _load_foreign(path, data, trust=trust)
    wasm, form = (_from_text(data, path), "wat") if _is_text(data) else (data, "wasm")
    origin = Loaded(path.stem, path, hashlib.sha256(wasm).hexdigest(), len(data), form)
    if wasm.startswith(_COMPONENT):
        return _component(origin, engine().compile_component(wasm, str(path)), count_memories(wasm))
    check_core(wasm, str(path))
    return _module(origin, engine().compile(wasm, str(path)))


def _is_large_core(path: Path) -> bool:
    """True for a core module too large to be read at each start."""
    with suppress(OSError):
        if path.is_file() and LARGE < path.stat().st_size <= MAX_MODULE:
            with path.open("rb") as file:
                return file.read(len(_CORE)) == _CORE
    return False


def load_module(path: Path, *, trust: bool = False) -> LoadedModule:
    """As :func:`load`, for a core module alone."""
    loaded = load(path, trust=trust)
    if isinstance(loaded, LoadedComponent):
        raise _no_core(str(path))
    return loaded


def _module(origin: Loaded, raw: wasmtime.Module) -> LoadedModule:
    return LoadedModule(origin.name, origin.path, origin.digest, origin.size, origin.form, raw)


def _component(origin: Loaded, raw: Component, memories: int) -> LoadedComponent:
    return LoadedComponent(origin.name, origin.path, origin.digest, origin.size, origin.form, raw, memories)


def read_module(path: Path) -> bytes:
    """The bytes of a module's file. Raises NotFoundError or ModuleError (a folder, too large)."""
    try:
        data = read_whole(path, MAX_MODULE)
    except FileNotFoundError:
        cure = meant_file(path) or "check the path of the module"
        raise NotFoundError("no such file", where=str(path), cure=cure) from None
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
        raise _no_core(where)
    seen = next((name for magic, name in _LOOKS_LIKE.items() if wasm.startswith(magic)), None)
    what = f"it looks like {seen}" if seen else _beginning(wasm)
    cure = "give a .wasm, .wat or .cwasm file, or a pipeline's .yaml"
    if where.endswith((".onnx", ".tflite")):
        cure = "a model is given to a function: weft run weft:classify --model net=FILE"
    raise ModuleError(f"not a WebAssembly module: {what}", where=where, cure=cure)


def _no_core(where: str) -> ModuleError:
    return ModuleError(
        "this is a WebAssembly component, where a core module is needed",
        where=where,
        cure="build for wasm32-wasip1 (wasm32-wasi) instead of wasip2",
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


def compile_to(path: Path, output: Path) -> Loaded:
    """Compile a module or component ahead of time into ``output``. Raises as :func:`load`, and OutputError."""
    module = load(path)
    if module.form == "cwasm":
        raise ModuleError("it is compiled already", where=str(path), cure="give the .wasm it was made from")
    memories = module.memories if isinstance(module, LoadedComponent) else 0
    header = compiled.Header(module.name, module.digest, engine().fingerprint, memories)
    compiled.write_compiled(output, header, bytes(module.raw.serialize()))
    return module


def _load_compiled(path: Path, data: bytes, *, trust: bool) -> LoadedModule | LoadedComponent:
    header, code = compiled.unseal(data, str(path), trust=trust)
    if header.engine != engine().fingerprint:
        raise ModuleError(
            f"compiled for {header.engine}, and this is {engine().fingerprint}",
            where=str(path),
            cure="compile it again with `weft compile`",
        )
    return _from_code(Loaded(header.name, path, header.digest, len(data), "cwasm"), code, header.memories)


def _load_foreign(path: Path, data: bytes, *, trust: bool) -> LoadedModule | LoadedComponent:
    if not trust:
        raise DeniedError(
            "native code that Weft did not compile",
            where=str(path),
            cure="compile the .wasm with `weft compile`, or pass --trust if you know who made it",
        )
    return _from_code(Loaded(path.stem, path, hashlib.sha256(data).hexdigest(), len(data), "cwasm"), data, 1)


def _from_code(origin: Loaded, code: bytes, memories: int) -> LoadedModule | LoadedComponent:
    if _is_component_code(code):
        return _component(origin, engine().load_component(code, str(origin.path)), memories)
    return _module(origin, engine().load(code, str(origin.path)))


def _is_component_code(code: bytes) -> bool:
    """wasmtime marks its ELF files: bit 0 of the flags is a module, bit 1 a component."""
    return len(code) >= _ELF_FLAGS + 4 and bool(int.from_bytes(code[_ELF_FLAGS : _ELF_FLAGS + 4], "little") & 2)


def _is_text(data: bytes) -> bool:
    return data.lstrip()[:1] == b"(" or data.lstrip().startswith(b";;")


def _from_text(data: bytes, path: Path) -> bytes:
    try:
        return bytes(wasmtime.wat2wasm(data))
    except wasmtime.WasmtimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModuleError(f"the WebAssembly text does not parse: {'; '.join(lines)}", where=str(path)) from error
