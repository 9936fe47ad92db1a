"""Dtypes and tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.dtypes import BF16, BYTES, DTYPES, F32, U8, dtype_named, dtype_of
from weft.core.errors import TensorError
from weft.core.tensor import Tensor

FIXED = [row for row in DTYPES if row is not BYTES]


@pytest.mark.parametrize("row", DTYPES, ids=str)
def test_every_dtype_has_two_names_that_lead_to_it(row: Any) -> None:
    assert dtype_named(row.name) is row
    assert dtype_named(row.protocol) is row


def test_an_unknown_dtype_suggests_the_nearest() -> None:
    with pytest.raises(TensorError) as error:
        dtype_named("f23")
    assert "did you mean 'f32'" in error.value.cure


def test_the_two_wasi_nn_numberings_are_the_specifications() -> None:
    assert {row.nn_old: row.name for row in DTYPES if row.nn_old is not None} == {0: "f16", 1: "f32", 2: "u8", 3: "i32"}
    new = {row.nn_new: row.name for row in DTYPES if row.nn_new is not None}
    assert new == {0: "f16", 1: "f32", 2: "f64", 3: "u8", 4: "i32", 5: "i64"}


def test_a_complex_array_is_no_tensor() -> None:
    with pytest.raises(TensorError, match="complex128"):
        dtype_of(np.zeros(1, np.complex128))


@given(st.sampled_from(FIXED), st.lists(st.integers(0, 4), max_size=4))
def test_a_tensor_over_a_buffer_shares_it(row: Any, dims: list[int]) -> None:
    buffer = bytearray(math.prod(dims) * row.itemsize)
    tensor = Tensor.from_buffer(row, tuple(dims), buffer)
    assert tensor.shape == tuple(dims)
    assert tensor.nbytes == len(buffer) == tensor.bytes_view().size
    if buffer:
        assert np.shares_memory(tensor.array, np.frombuffer(buffer, np.uint8))


def test_a_buffer_of_the_wrong_size_says_what_is_needed() -> None:
    with pytest.raises(TensorError, match=r"10 bytes do not fill f32\[1, 3\], which needs 12"):
        Tensor.from_buffer(F32, (1, 3), bytes(10))


def test_a_scalar_keeps_its_empty_shape() -> None:
    assert Tensor(np.float32(3)).shape == ()
    assert Tensor(np.float32(3)).bytes_view().size == 4


def test_strings_become_bytes() -> None:
    tensor = Tensor(np.array([["a", "bcd"]]))
    assert tensor.dtype is BYTES
    assert tensor.array.tolist() == [[b"a", b"bcd"]]
    assert tensor.nbytes == 4
    with pytest.raises(TensorError, match="raw memory"):
        tensor.bytes_view()


def test_bf16_widens_to_the_numbers_it_stands_for() -> None:
    tensor = Tensor(np.array([0x3F80, 0xC000], np.uint16), BF16)
    assert tensor.numbers().tolist() == [1.0, -2.0]


def test_an_array_of_another_dtype_is_refused() -> None:
    with pytest.raises(TensorError, match="cannot be a u8 tensor"):
        Tensor(np.zeros(3, np.float32), U8)


def test_a_transposed_array_is_made_contiguous() -> None:
    tensor = Tensor(np.arange(6, dtype=np.int32).reshape(2, 3).T)
    assert tensor.array.flags.c_contiguous
    assert tensor.array.tolist() == [[0, 3], [1, 4], [2, 5]]
