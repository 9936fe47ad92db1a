"""What a module's bytes say to a debugger: whether they have DWARF, and which functions they export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weft.core.errors import ModuleError, UsageError
from weft.wasm import compiled
from weft.wasm.source import read_module

DWARF = ".debug_info"
EXTERNAL = "external_debug_info"
_CORE = b"\0asm\x01\0\0\0"
_COMPONENT = b"\0asm\x0d\0\x01\0"
_CUSTOM, _EXPORT = 0, 7
_FUNCTION = 0
_BUILD = "build it with `weft build --debug` (C, Zig and Rust have it); for others: weft run --trace-host"


def check_debuggable(path: Path) -> list[str]:
    """The functions a module exports, if a debugger can show its source.

    Raises NotFoundError, UsageError for what is no plain module, and ModuleError, with the cure, without DWARF.
    """
    wasm = read_module(path)
    if wasm.startswith(compiled.MAGIC):
        raise UsageError("compiled code has no source lines", where=str(path), cure="debug the .wasm it was made from")
    if wasm.startswith(_COMPONENT):
        cure = "use weft run --trace-host, or build the function as a core module (wasm32-wasip1)"
        raise UsageError("a component cannot be debugged yet", where=str(path), cure=cure)
    if not wasm.startswith(_CORE):
        raise UsageError(
            "a debugger needs a .wasm module", where=str(path), cure="give what `weft build --debug` makes"
        )
    customs, exports = _look(memoryview(wasm))
    if DWARF not in customs:
        apart = "is in a file of its own" if EXTERNAL in customs else "is missing"
        raise ModuleError(f"its debug information (DWARF) {apart}", where=str(path), cure=_BUILD)
    return exports


def _look(wasm: memoryview) -> tuple[set[str], list[str]]:
    """The names of the custom sections and of the exported functions."""
    customs: set[str] = set()
    exports: list[str] = []
    for kind, body in _sections(wasm):
        if kind == _CUSTOM:
            customs.add(_text(body, 0)[0])
        elif kind == _EXPORT:
            exports += _exports(body)
    return customs, exports


def _sections(wasm: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each section; a module cut short ends early, and wasmtime will say so."""
    at = len(_CORE)
    while at < len(wasm):
        size, start = _number(wasm, at + 1)
        yield wasm[at], wasm[start : start + size]
        at = start + size


def _exports(body: memoryview) -> Iterator[str]:
    count, at = _number(body, 0)
    for _ in range(min(count, len(body))):
        name, at = _text(body, at)
        if body[at : at + 1] == bytes([_FUNCTION]):
            yield name
        _, at = _number(body, at + 1)


def _text(data: memoryview, at: int) -> tuple[str, int]:
    size, start = _number(data, at)
    return bytes(data[start : start + size]).decode(errors="replace"), start + size


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """A LEB128 number of at most 32 bits, and where it ends."""
    value = 0
    for position in range(5):
        byte = data[at + position] if at + position < len(data) else 0
        value |= (byte & 0x7F) << 7 * position
        if not byte & 0x80:
            return value, at + position + 1
    return value, at + 5
