"""The types of the component model: their text, and how a Python value is laid down as one of them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.wasm.component import cvalues as c
from weft.wasm.component import library

Write = Callable[[int, Any], None]


def no_handles(_address: int, _handle: object) -> None:
    """For values without a handle in them."""
    raise TypeError("a handle where none can be")


class Type:
    """A type; ``str`` of it is its text, by which it is compared with what a component says."""

    def write(self, address: int, value: Any, resource: Write) -> None:
        """Lay ``value`` down at an address. ``resource`` makes a pointer of a handle there.

        Raises TypeError, ValueError or struct.error for a value that is none of this type.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Type):
    """A number or a bool."""

    name: str
    kind: int
    layout: struct.Struct

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        ctypes.memmove(address, self.layout.pack(self.kind, value), self.layout.size)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Text(Type):
    """A string."""

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        _write_name(address + c.AT, value)
        ctypes.c_uint8.from_address(address).value = c.STRING

    def __str__(self) -> str:
        return "string"


@dataclass(frozen=True)
class List(Type):
    """A list; one of u8 is taken from anything that has a buffer."""

    element: Type

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        data = np.frombuffer(value, np.uint8) if self.element is U8 else value
        library.list_new(address + c.AT, len(data))
        ctypes.c_uint8.from_address(address).value = c.LIST
        start = ctypes.c_size_t.from_address(address + c.AT + 8).value
        if self.element is U8:
            if len(data):
                values = c.elements(start, len(data), c.U8)
                values["kind"], values["value"] = c.U8, data
            return
        for index, item in enumerate(data):
            self.element.write(start + index * c.SIZE, item, resource)

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True)
class Tuple(Type):
    """A tuple."""

    items: tuple[Type, ...]

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        library.tuple_new(address + c.AT, len(self.items))
        ctypes.c_uint8.from_address(address).value = c.TUPLE
        start = ctypes.c_size_t.from_address(address + c.AT + 8).value
        for index, (ty, item) in enumerate(zip(self.items, value, strict=True)):
            ty.write(start + index * c.SIZE, item, resource)

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.items))}>"


@dataclass(frozen=True)
class Record(Type):
    """A record, from a sequence of its fields' values."""

    fields: tuple[tuple[str, Type], ...]

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        library.record_new(address + c.AT, len(self.fields))
        ctypes.c_uint8.from_address(address).value = c.RECORD
        start = ctypes.c_size_t.from_address(address + c.AT + 8).value
        for index, ((name, ty), item) in enumerate(zip(self.fields, value, strict=True)):
            _write_name(start + index * c.FIELD, name)
            ty.write(start + index * c.FIELD + c.FIELD_AT, item, resource)

    def __str__(self) -> str:
        return f"record{{{', '.join(f'{name}: {ty}' for name, ty in self.fields)}}}"


@dataclass(frozen=True)
class Enum(Type):
    """One of several names."""

    names: tuple[str, ...]

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        if value not in self.names:
            raise ValueError(f"'{value}' is none of {', '.join(self.names)}")
        _write_name(address + c.AT, value)
        ctypes.c_uint8.from_address(address).value = c.ENUM

    def __str__(self) -> str:
        return f"enum{{{', '.join(self.names)}}}"


@dataclass(frozen=True)
class Variant(Type):
    """One of several cases, each with a value or without; from (case, value)."""

    cases: tuple[tuple[str, Type | None], ...]

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        case, payload = value
        ty = dict(self.cases)[case]
        box = _boxed(ty, payload, resource) if ty else 0
        _write_name(address + c.AT, case)
        ctypes.c_size_t.from_address(address + c.AT + 16).value = box
        ctypes.c_uint8.from_address(address).value = c.VARIANT

    def __str__(self) -> str:
        return f"variant{{{', '.join(f'{name}({ty})' if ty else name for name, ty in self.cases)}}}"


@dataclass(frozen=True)
class Option(Type):
    """A value or None."""

    some: Type

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        box = 0 if value is None else _boxed(self.some, value, resource)
        ctypes.c_size_t.from_address(address + c.AT).value = box
        ctypes.c_uint8.from_address(address).value = c.OPTION

    def __str__(self) -> str:
        return f"option<{self.some}>"


@dataclass(frozen=True)
class Result(Type):
    """A value or an error, either of which may be nothing; from (is_ok, value)."""

    ok: Type | None
    err: Type | None

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above."""
        is_ok, payload = value
        ty = self.ok if is_ok else self.err
        box = _boxed(ty, payload, resource) if ty else 0
        ctypes.c_size_t.from_address(address + c.AT).value = int(bool(is_ok))
        ctypes.c_size_t.from_address(address + c.AT + 8).value = box
        ctypes.c_uint8.from_address(address).value = c.RESULT

    def __str__(self) -> str:
        if self.err is None:
            return f"result<{self.ok}>" if self.ok else "result"
        return f"result<{self.ok or '_'}, {self.err}>"


@dataclass(frozen=True)
class Own(Type):
    """A resource that is handed over. ``str`` does not tell of which kind: a component's own type does not either."""

    kind: int

    def write(self, address: int, value: Any, resource: Write) -> None:
        """As above; ``value`` is the handle's number in the instance's table."""
        resource(address + c.AT, (self.kind, value))
        ctypes.c_uint8.from_address(address).value = c.RESOURCE

    def __str__(self) -> str:
        return "own"


@dataclass(frozen=True)
class Borrow(Type):
    """A resource that is lent for a call; only guests lend."""

    kind: int

    def __str__(self) -> str:
        return "borrow"


def _number(name: str, kind: int, code: str) -> Number:
    return Number(name, kind, struct.Struct(f"<B7x{code}"))


BOOL = _number("bool", c.BOOL, "?")
U8 = _number("u8", c.U8, "B")
U16 = _number("u16", c.U16, "H")
U32 = _number("u32", c.U32, "I")
U64 = _number("u64", c.U64, "Q")
F32 = _number("f32", c.F32, "f")
F64 = _number("f64", c.F64, "d")
STRING = Text()
BYTES = List(U8)


def signature_text(params: Sequence[object], result: object | None) -> str:
    """A function's type as text, without the names of its parameters."""
    return f"func({', '.join(map(str, params))})" + (f" -> {result}" if result is not None else "")


def _write_name(address: int, text: str) -> None:
    data = text.encode()
    library.bytes_new(address, len(data), data)


def _boxed(ty: Type, value: Any, resource: Write) -> int:
    """A value on wasmtime's heap, which takes it over."""
    space = ctypes.create_string_buffer(c.SIZE)
    ty.write(ctypes.addressof(space), value, resource)
    return int(library.value_new(space))
