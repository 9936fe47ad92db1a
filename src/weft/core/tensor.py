"""Tensor: dtype, shape and buffer; the one thing models take and give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from weft.core.dtypes import BF16, BYTES, DType, dtype_of
from weft.core.errors import TensorError

Array = np.ndarray[Any, np.dtype[Any]]


class Tensor:
    """A dtype and a C-contiguous numpy array that holds the elements.

    ``array`` has the tensor's shape. For bf16 it holds the raw bits as uint16; for ``bytes`` it is an
    object array of ``bytes``.
    """

    __slots__ = ("array", "dtype")

    def __init__(self, array: ArrayLike, dtype: DType | None = None) -> None:
        values = np.ascontiguousarray(array).reshape(np.shape(array))
        self.dtype = dtype or dtype_of(values)
        self.array: Array = _as_bytes(values) if self.dtype is BYTES else values
        if self.array.dtype != self.dtype.numpy:
            raise TensorError(f"an array of {values.dtype} cannot be a {self.dtype} tensor", cure="convert it first")

    @classmethod
    def from_buffer(cls, dtype: DType, shape: tuple[int, ...], buffer: Any) -> Tensor:
        """A tensor over ``buffer`` (bytes-like, or a u8 array) without copying it.

        Raises TensorError when the buffer's size is not what shape and dtype need.
        """
        if dtype is BYTES:
            raise TensorError("a bytes tensor has no fixed-size buffer", cure="make it from a list of bytes")
        flat = np.frombuffer(buffer, dtype=np.uint8)
        needed = math.prod(shape) * dtype.itemsize
        if flat.size != needed:
            raise TensorError(f"{flat.size} bytes do not fill {dtype}{list(shape)}, which needs {needed}")
        return cls(flat.view(dtype.numpy).reshape(shape), dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions; empty for a scalar."""
        return tuple(self.array.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return sum(map(len, self.array.flat)) if self.dtype is BYTES else self.array.nbytes

    def bytes_view(self) -> Array:
        """The elements as a flat u8 array that shares memory; TensorError for a bytes tensor."""
        if self.dtype is BYTES:
            raise TensorError("a bytes tensor cannot be viewed as raw memory")
        return self.array.reshape(-1).view(np.uint8)

    def numbers(self) -> Array:
        """The elements as numpy numbers: bf16 is widened to float32, everything else is as stored."""
        if self.dtype is BF16:
            return (self.array.astype(np.uint32) << 16).view(np.float32)
        return self.array

    def __repr__(self) -> str:
        return f"Tensor({self.dtype}{list(self.shape)})"


def _as_bytes(values: Array) -> Array:
    encoded = [item.encode() if isinstance(item, str) else bytes(item) for item in values.reshape(-1).tolist()]
    out = np.empty(len(encoded), dtype=np.object_)
    out[:] = encoded
    return out.reshape(values.shape)
