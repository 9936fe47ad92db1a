"""Tensors as raw bytes, as the protocol's binary extension and gRPC's ``raw_input_contents`` lay them out.

Numbers are little-endian and row by row; bf16 is its 16 bits, bool one byte. Of BYTES, each element is its length in
four bytes and then itself.
"""

from __future__ import annotations

import struct
from math import prod
from typing import cast

import numpy as np

from weft.core.dtypes import BOOL, BYTES, DType
from weft.core.errors import TensorError
from weft.core.tensor import Array, Tensor

_LENGTH = struct.Struct("<I")
_SWAPPED = np.little_endian is False


def from_raw(dtype: DType, shape: tuple[int, ...], data: memoryview | bytes, where: str = "") -> Tensor:
    """A tensor over ``data``, without copying where its memory is aligned.

    Raises TensorError where the bytes are not what dtype and shape need.
    """
    if dtype is BYTES:
        return Tensor(_elements(memoryview(data), shape, where), BYTES)
    needed = prod(shape) * dtype.itemsize
    if len(data) != needed:
        what = f"{len(data)} bytes do not fill {dtype.protocol}{list(shape)}, which needs {needed}"
        raise TensorError(what, where=where, cure="send the bytes that the shape needs, or the shape they have")
    array: Array = np.frombuffer(data, dtype=dtype.numpy).reshape(shape)
    if _SWAPPED:
        array = array.byteswap()
    if not array.flags.aligned:
        array = array.copy()
    if dtype is BOOL:
        array = _bools(array, where)
    return Tensor(array, dtype)


def to_raw(tensor: Tensor) -> bytes | memoryview:
    """A tensor's bytes: a view of its memory, but for BYTES."""
    if tensor.dtype is BYTES:
        return b"".join(part for item in tensor.array.flat for part in (_LENGTH.pack(len(item)), item))
    array = tensor.array.byteswap() if _SWAPPED else tensor.array
    return array.reshape(-1).view(np.uint8).data if array.size else b""


def _bools(array: Array, where: str) -> Array:
    """Bytes that are 0 or 1: an engine may do anything with others."""
    if array.size and array.view(np.uint8).max() > 1:
        raise TensorError("a BOOL is a byte that is neither 0 nor 1", where=where, cure="send 0 or 1")
    return array


def _elements(data: memoryview, shape: tuple[int, ...], where: str) -> Array:
    count = prod(shape)
    if count * _LENGTH.size > len(data):  # before memory is set aside for them
        raise _damaged(f"{len(data)} bytes hold no {count} elements", where)
    found = np.empty(count, dtype=np.object_)
    at = 0
    for index in range(count):
        if at + _LENGTH.size > len(data):
            raise _damaged(f"the bytes end before element {index} of {count}", where)
        start = at + _LENGTH.size
        at = start + cast(int, _LENGTH.unpack_from(data, at)[0])
        if at > len(data):
            raise _damaged(f"element {index} ends at byte {at} of {len(data)}", where)
        found[index] = bytes(data[start:at])
    if at != len(data):
        raise _damaged(f"{len(data) - at} bytes are left after {count} elements", where)
    return found.reshape(shape)


def _damaged(what: str, where: str) -> TensorError:
    return TensorError(what, where=where, cure="write each element as its length in four bytes and then itself")
