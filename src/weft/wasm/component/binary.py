"""What a component's bytes say of it that wasmtime does not tell: how many linear memories its modules define."""

from __future__ import annotations

_PREAMBLE = 8
_MODULE, _COMPONENT = 1, 4  # sections of a component
_MEMORY = 5  # section of a core module


def count_memories(wasm: bytes) -> int:
    """The memories defined in all core modules of a valid component, at any depth; 1 at least."""
    return max(1, _in_component(memoryview(wasm)))


def _in_component(data: memoryview) -> int:
    total = 0
    for section, start, end in _sections(data):
        if section == _COMPONENT:
            total += _in_component(data[start:end])
        elif section == _MODULE:
            total += _in_module(data[start:end])
    return total


def _in_module(data: memoryview) -> int:
    return next((_number(data, start)[0] for section, start, _ in _sections(data) if section == _MEMORY), 0)


def _sections(data: memoryview) -> list[tuple[int, int, int]]:
    """Every section's number, start and end."""
    found, at = [], _PREAMBLE
    while at < len(data):
        section = data[at]
        size, start = _number(data, at + 1)
        found.append((section, start, start + size))
        at = start + size
    return found


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """A LEB128 number and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
