"""Tensors as raw bytes, and as JSON data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from weft.core.dtypes import BF16, BOOL, BYTES, DTYPES, F16, F32, I32, U8, U64, DType
from weft.core.errors import TensorError
from weft.core.tensor import Tensor
from weft.serve.oip.raw import from_raw, to_raw
from weft.serve.oip.text import from_data, to_data

SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = [dtype for dtype in DTYPES if dtype is not BYTES]


@st.composite
def tensors(draw: st.DrawFn, dtypes: list[DType]) -> Tensor:
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(SHAPES)
    if dtype is BYTES:
        items = draw(st.lists(st.binary(max_size=20), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        array = np.empty(len(items), dtype=np.object_)
        array[:] = items
        return Tensor(array.reshape(shape), BYTES)
    return Tensor(draw(arrays(dtype.numpy, shape)), dtype)


@given(tensors(list(DTYPES)), st.integers(0, 7))
def test_every_tensor_comes_back_from_its_bytes_wherever_they_lie(tensor: Tensor, offset: int):
    body = b"\1" * offset + bytes(to_raw(tensor))
    back = from_raw(tensor.dtype, tensor.shape, memoryview(body)[offset:])
    assert back.shape == tensor.shape
    assert back.dtype is tensor.dtype
    if tensor.dtype is BYTES:
        assert back.array.tolist() == tensor.array.tolist()
    else:
        assert back.array.tobytes() == tensor.array.tobytes()


@given(tensors([dtype for dtype in NUMBERS if dtype not in (BF16,)]))
def test_every_finite_tensor_comes_back_from_json(tensor: Tensor):
    if not np.isfinite(tensor.array).all():
        with pytest.raises(TensorError, match="NaN or infinity"):
            to_data(tensor, "y")
        return
    data = json.loads(json.dumps(to_data(tensor, "y")))
    back = from_data(tensor.dtype, tensor.shape, data, "x")
    assert np.array_equal(back.array, tensor.array)


@given(arrays(np.uint16, st.integers(0, 8), elements=st.integers(0, 0x7F7F)))
def test_bf16_comes_back_from_json_as_its_own_value(bits: np.ndarray):
    tensor = Tensor(bits, BF16)
    assert np.array_equal(from_data(BF16, tensor.shape, to_data(tensor, "y"), "x").array, bits)


@given(st.lists(st.text(max_size=10), max_size=6))
def test_text_comes_back_from_json(words: list[str]):
    encoded = [word.encode() for word in words]
    array = np.empty(len(words), dtype=np.object_)
    array[:] = encoded
    data = json.loads(json.dumps(to_data(Tensor(array, BYTES), "y")))
    assert from_data(BYTES, (len(words),), data, "x").array.tolist() == encoded


@given(st.binary(max_size=64), st.lists(st.integers(0, 5), max_size=3))
def test_any_bytes_are_a_bytes_tensor_or_refused(data: bytes, shape: list[int]):
    try:
        tensor = from_raw(BYTES, tuple(shape), data)
    except TensorError:
        return
    assert bytes(to_raw(tensor)) == data


def test_a_large_count_of_elements_is_refused_before_memory_is_taken():
    with pytest.raises(TensorError, match="hold no"):
        from_raw(BYTES, (2**40,), b"")


def test_lists_in_lists_follow_the_shape():
    tensor = from_data(I32, (2, 2, 2), [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "x")
    assert tensor.array.tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


@pytest.mark.parametrize(
    ("dtype", "shape", "data", "said"),
    [
        (F32, (2, 2), [[1, 2], [3]], "do not follow the shape"),
        (F32, (2, 2), [[1, 2, 3, 4]], "do not follow the shape"),
        (F32, (2, 2), [[[1], [2]], [[3], [4]]], "is no FP32"),
        (F32, (3,), [1, 2], "2 elements do not fill FP32[3]"),
        (I32, (1,), [1.5], "1.5 is no INT32"),
        (I32, (1,), [True], "True is no INT32"),
        (U8, (1,), [256], "does not fit into UINT8"),
        (U64, (1,), [-1], "does not fit into UINT64"),
        (F32, (1,), ["1"], "'1' is no FP32"),
        (F32, (1,), [None], "None is no FP32"),
        (BOOL, (1,), [2], "2 is no BOOL"),
        (BYTES, (1,), [1], "1 is no BYTES"),
        (F32, (1,), {"a": 1}, "is no FP32"),
    ],
)
def test_data_that_is_not_what_it_says_is_refused(dtype: DType, shape: tuple[int, ...], data: object, said: str):
    with pytest.raises(TensorError) as caught:
        from_data(dtype, shape, data, "input 'x'")
    assert said in str(caught.value)


def test_bytes_that_are_no_bool_are_refused():
    with pytest.raises(TensorError, match="neither 0 nor 1"):
        from_raw(BOOL, (2,), b"\x01\x02")


def test_aligned_numbers_are_not_copied():
    body = np.arange(16, dtype=np.float32).tobytes()
    tensor = from_raw(F32, (16,), memoryview(body))
    assert np.shares_memory(tensor.array, np.frombuffer(body, np.uint8))
    half = Tensor(np.ones(3, np.float16), F16)
    assert np.shares_memory(np.frombuffer(to_raw(half), np.uint8), half.array)
