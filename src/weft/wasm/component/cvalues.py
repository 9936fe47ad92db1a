"""How component values lie in memory between wasmtime and the host, and how they are read.

wasmtime passes each value as 32 bytes: a kind and a union. wasmtime-py makes a Python object of every one of
them, which costs 750 ns a byte of a ``list<u8>``; here numpy looks at the whole list at once. The layout is that
of the C header, which the package is pinned to; a test holds it.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np
from wasmtime import _bindings

SIZE = ctypes.sizeof(_bindings.wasmtime_component_val_t)
"""Bytes of one value."""

AT = 8
"""Where the union lies in a value."""

FIELD = 48
"""Bytes of one field of a record: its name and its value."""

FIELD_AT = 16
"""Where the value lies in a field."""

(
    BOOL,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    CHAR,
    STRING,
    LIST,
    RECORD,
    TUPLE,
    VARIANT,
    ENUM,
    OPTION,
    RESULT,
) = range(20)
FLAGS, RESOURCE = 20, 21

_VALUE = struct.Struct("<B7xQQQ")
_NUMBERS = {
    BOOL: "?", S8: "b", U8: "B", S16: "<h", U16: "<H", S32: "<i", U32: "<I", S64: "<q", U64: "<Q", F32: "<f", F64: "<d",
}  # fmt: skip
_SCALARS = {kind: struct.Struct(code) for kind, code in _NUMBERS.items()}
_ELEMENTS = {
    kind: np.dtype({"names": ["kind", "value"], "formats": ["u1", code], "offsets": [0, AT], "itemsize": SIZE})
    for kind, code in _NUMBERS.items()
}
_WRITABLE = 0x200
_memoryview = ctypes.pythonapi.PyMemoryView_FromMemory
_memoryview.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_memoryview.restype = ctypes.py_object


class UnknownKindError(Exception):
    """A value of a kind that no interface of Weft takes."""


def elements(address: int, count: int, kind: int) -> np.ndarray[Any, Any]:
    """A list's numbers of one kind as a writable structured array over the values themselves."""
    return np.frombuffer(_memoryview(address, count * SIZE, _WRITABLE), _ELEMENTS[kind])


def read(address: int, resource: Any) -> Any:
    """The Python value at an address.

    Numbers, bool and str as such; ``list<u8>`` as bytes; lists as lists, tuples and records as tuples, enums as
    str, variants as (case, value), options as the value or None, results as (is_ok, value). ``resource`` makes a
    value of a resource's pointer.
    """
    data = ctypes.string_at(address, SIZE)
    kind, first, second, third = _VALUE.unpack(data)
    if kind in _SCALARS:
        return _SCALARS[kind].unpack_from(data, AT)[0]
    if kind == CHAR:
        return chr(first & 0xFFFFFFFF)
    if kind in {STRING, ENUM}:
        return ctypes.string_at(second, first).decode()
    if kind == LIST:
        return _list(second, first, resource)
    if kind == TUPLE:
        return tuple(read(second + index * SIZE, resource) for index in range(first))
    if kind == RECORD:
        return tuple(read(second + index * FIELD + FIELD_AT, resource) for index in range(first))
    if kind == VARIANT:
        return ctypes.string_at(second, first).decode(), read(third, resource) if third else None
    if kind == OPTION:
        return read(first, resource) if first else None
    if kind == RESULT:
        return bool(first & 0xFF), read(second, resource) if second else None
    if kind == RESOURCE:
        return resource(first)
    raise UnknownKindError(f"a value of kind {kind}")


def _list(address: int, count: int, resource: Any) -> Any:
    if not count:
        return b""  # empty whatever it is of; its kind is not told
    kind = ctypes.c_uint8.from_address(address).value
    if kind == U8:
        return np.ascontiguousarray(elements(address, count, U8)["value"]).tobytes()
    if kind in _ELEMENTS:
        return elements(address, count, kind)["value"].tolist()
    return [read(address + index * SIZE, resource) for index in range(count)]
