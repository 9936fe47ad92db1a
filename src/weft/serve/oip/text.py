"""Tensors as JSON data: a list of all elements row by row, or lists in lists as the shape says."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from weft.core.dtypes import BF16, BOOL, BYTES, DType
from weft.core.errors import TensorError
from weft.core.tensor import Array, Tensor


def from_data(dtype: DType, shape: tuple[int, ...], data: object, where: str) -> Tensor:
    """A tensor from JSON data. Raises TensorError where the elements are not what dtype and shape say."""
    flat = data if isinstance(data, list) else [data]
    flat = _flattened(flat, shape, where) if flat and isinstance(flat[0], list) else flat
    if len(flat) != prod(shape):
        what = f"{len(flat)} elements do not fill {dtype.protocol}{list(shape)}, which needs {prod(shape)}"
        raise TensorError(what, where=where, cure="send as many elements as the shape has")
    if dtype is BYTES:
        return Tensor(_texts(flat, where).reshape(shape), BYTES)
    return Tensor(_numbers(flat, dtype, where).reshape(shape), dtype)


def to_data(tensor: Tensor, where: str) -> list[Any]:
    """The elements row by row, for JSON. Raises TensorError for numbers and bytes that JSON has no words for."""
    if tensor.dtype is BYTES:
        return _decoded(tensor, where)
    numbers = tensor.numbers()
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        what = "the result holds NaN or infinity, which JSON does not know"
        raise TensorError(what, where=where, cure='ask for it with "binary_data": true')
    found: list[Any] = numbers.reshape(-1).tolist()
    return found


def _decoded(tensor: Tensor, where: str) -> list[str]:
    try:
        return [item.decode() for item in tensor.array.flat]
    except UnicodeDecodeError:
        what = "the result holds bytes that are no UTF-8 text"
        raise TensorError(what, where=where, cure='ask for it with "binary_data": true') from None


def _flattened(data: list[Any], shape: tuple[int, ...], where: str) -> list[Any]:
    """The elements of lists in lists that are as the shape says."""
    level = data
    for depth, dim in enumerate(shape[:-1]):
        last = depth == len(shape) - 2
        below = shape[depth + 1]
        if len(level) != prod(shape[: depth + 1]) or any(not isinstance(x, list) or len(x) != below for x in level):
            raise TensorError(
                f"the lists do not follow the shape {list(shape)}: dimension {depth} is to have {dim}",
                where=where,
                cure="nest the lists as the shape says, or send all elements in one",
            )
        level = [item for row in level for item in row]
        if last:
            break
    return level


def _texts(flat: list[Any], where: str) -> Array:
    found = np.empty(len(flat), dtype=np.object_)
    for index, item in enumerate(flat):
        if not isinstance(item, str):
            raise _unfit(item, "BYTES", where, "send text; bytes that are no text go as binary data")
        found[index] = item.encode(errors="surrogatepass")
    return found


def _numbers(flat: list[Any], dtype: DType, where: str) -> Array:
    kinds = set(map(type, flat))
    if not kinds <= _allowed(dtype):
        wrong = next(item for item in flat if type(item) not in _allowed(dtype))
        raise _unfit(wrong, dtype.protocol, where, f"send {_WORDS[_kind(dtype)]}")
    try:
        if dtype is BF16:
            return _bf16(np.array(flat, np.float32))
        if dtype is BOOL and not all(item in (0, 1) for item in flat):
            raise _unfit(next(item for item in flat if item not in (0, 1)), "BOOL", where, "send true or false")
        return np.array(flat, dtype.numpy)
    except (OverflowError, ValueError) as error:
        raise TensorError(
            f"a number does not fit into {dtype.protocol}", where=where, cure="send smaller ones"
        ) from error


def _bf16(values: Array) -> Array:
    """The upper 16 bits, rounded to the nearest, of equal ones to the even."""
    bits = values.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return rounded.astype(np.uint16)


_TYPES: dict[str, set[type]] = {"b": {bool, int}, "f": {int, float}, "i": {int}}
_WORDS = {"b": "true or false", "f": "numbers", "i": "whole numbers"}


def _kind(dtype: DType) -> str:
    if dtype is BOOL:
        return "b"
    return "f" if dtype is BF16 or dtype.numpy.kind == "f" else "i"


def _allowed(dtype: DType) -> set[type]:
    return _TYPES[_kind(dtype)]


def _unfit(item: object, wanted: str, where: str, cure: str) -> TensorError:
    shown = repr(item)
    return TensorError(f"{shown[:40]} is no {wanted}", where=where, cure=cure)
