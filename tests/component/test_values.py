"""Values laid down for wasmtime are read back as they were, by us and by wasmtime itself."""

from __future__ import annotations

import ctypes
import struct
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import _bindings

from weft.wasm.component import cvalues
from weft.wasm.component.library import value_clone, value_delete
from weft.wasm.component.types import (
    BOOL,
    BYTES,
    F32,
    F64,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Enum,
    List,
    Option,
    Own,
    Record,
    Result,
    Tuple,
    Type,
    Variant,
    no_handles,
)


def through(ty: Type, value: Any) -> Any:
    """Lay a value down, have wasmtime copy it, and read the copy."""
    made, copy = ctypes.create_string_buffer(cvalues.SIZE), ctypes.create_string_buffer(cvalues.SIZE)
    ty.write(ctypes.addressof(made), value, no_handles)
    value_clone(made, copy)
    value_delete(made)
    try:
        return cvalues.read(ctypes.addressof(copy), None)
    finally:
        value_delete(copy)


def types(depth: int) -> st.SearchStrategy[tuple[Type, st.SearchStrategy[Any]]]:
    """A type, with the values it takes."""
    plain = st.sampled_from(
        [
            (BOOL, st.booleans()),
            (U8, st.integers(0, 2**8 - 1)),
            (U16, st.integers(0, 2**16 - 1)),
            (U32, st.integers(0, 2**32 - 1)),
            (U64, st.integers(0, 2**64 - 1)),
            (F32, st.floats(width=32, allow_nan=False)),
            (F64, st.floats(allow_nan=False)),
            (STRING, st.text(st.characters(codec="utf-8"))),
            (BYTES, st.binary()),
            (Enum(("a", "bee", "c")), st.sampled_from(["a", "bee", "c"])),
        ]
    )
    if not depth:
        return plain
    inner = types(depth - 1)
    return st.one_of(
        plain,
        inner.map(lambda item: (List(item[0]), st.lists(item[1], min_size=1, max_size=4))).filter(
            lambda item: str(item[0]) != "list<u8>"
        ),
        inner.map(lambda item: (Option(item[0]), st.none() | item[1])).filter(
            lambda item: "option<option" not in str(item[0])
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda items: (Tuple(tuple(ty for ty, _ in items)), st.tuples(*(values for _, values in items)))
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda items: (
                Record(tuple((f"f{index}", ty) for index, (ty, _) in enumerate(items))),
                st.tuples(*(values for _, values in items)),
            )
        ),
        inner.map(
            lambda item: (
                Variant((("none", None), ("some", item[0]))),
                st.just(("none", None)) | st.tuples(st.just("some"), item[1]),
            )
        ),
        inner.map(
            lambda item: (
                Result(item[0], STRING),
                st.tuples(st.just(True), item[1]) | st.tuples(st.just(False), st.text(st.characters(codec="utf-8"))),
            )
        ),
    )


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_every_value_comes_back_as_it_was(data: st.DataObject) -> None:
    ty, values = data.draw(types(2))
    value = data.draw(values)
    assert through(ty, value) == value


def test_the_layout_is_that_of_the_bindings() -> None:
    value = _bindings.wasmtime_component_val_t
    assert (32, value.of.offset) == (cvalues.SIZE, cvalues.AT)
    entry = _bindings.wasmtime_component_valrecord_entry_t
    assert (ctypes.sizeof(entry), entry.val.offset) == (cvalues.FIELD, cvalues.FIELD_AT)
    kinds = {
        name.removeprefix("WASMTIME_COMPONENT_"): getattr(cvalues, name.removeprefix("WASMTIME_COMPONENT_"), None)
        for name in dir(__import__("wasmtime._ffi", fromlist=["x"]))
        if name.startswith("WASMTIME_COMPONENT_") and "_VALTYPE_" not in name and "_ITEM_" not in name
    }
    from wasmtime import _ffi

    for name, kind in kinds.items():
        if kind is not None:
            assert getattr(_ffi, f"WASMTIME_COMPONENT_{name}").value == kind, name
    assert sum(kind is not None for kind in kinds.values()) >= 21


def test_bytes_are_laid_down_and_read_quickly() -> None:
    data = np.random.default_rng(1).integers(0, 256, 150_000, np.uint8).tobytes()
    assert through(BYTES, data) == data
    started = time.perf_counter()
    for _ in range(5):
        through(BYTES, data)
    assert (time.perf_counter() - started) / 5 < 0.05  # element by element it takes 0.2 s and more


def test_an_empty_list_is_empty_whatever_it_is_of() -> None:
    assert list(through(List(STRING), [])) == []
    assert through(BYTES, b"") == b""


@pytest.mark.parametrize(
    ("ty", "value"),
    [
        (U8, 256),
        (U32, -1),
        (U64, "x"),
        (STRING, None),
        (Enum(("a",)), "b"),
        (Tuple((U8, U8)), (1,)),
        (Record((("a", U8),)), (1, 2)),
        (List(U32), [1, -1]),
        (Result(U8, None), (True, 300)),
        (Option(STRING), 7),
        (Variant((("a", None),)), ("b", None)),
        (Own(1), 5),
    ],
    ids=str,
)
def test_a_value_that_is_none_of_its_type_is_refused_and_nothing_leaks(ty: Type, value: Any) -> None:
    space = ctypes.create_string_buffer(cvalues.SIZE)
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError, struct.error)):
        ty.write(ctypes.addressof(space), value, no_handles)
    value_delete(space)  # what was begun is whole enough to be taken back


def test_types_are_told_as_wasmtime_tells_them() -> None:
    ty = Result(List(Tuple((STRING, Own(1)))), Record((("code", Enum(("a", "b"))), ("why", Option(F32)))))
    assert str(ty) == "result<list<tuple<string, own>>, record{code: enum{a, b}, why: option<f32>}>"
    assert str(Result(None, None)) == "result"
    assert str(Result(U8, None)) == "result<u8>"
    assert str(Result(None, STRING)) == "result<_, string>"
    assert str(Variant((("a", None), ("b", U8)))) == "variant{a, b(u8)}"
