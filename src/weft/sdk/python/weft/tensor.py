"""Tensors: what models take and give. Their elements stay with the host until somebody asks for them."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import Any

from weft._backend import Held, host

_CODES = {
    "u8": "B",
    "i8": "b",
    "u16": "H",
    "i16": "h",
    "u32": "I",
    "i32": "i",
    "u64": "Q",
    "i64": "q",
    "f32": "f",
    "f64": "d",
    "bool": "B",
}
_NUMPY = {"bool": "bool", "u8": "uint8", "i8": "int8", "u16": "uint16", "i16": "int16", "u32": "uint32", "i32": "int32"}
_NUMPY |= {"u64": "uint64", "i64": "int64", "f16": "float16", "f32": "float32", "f64": "float64"}
_NAMES = {name: dtype for dtype, name in _NUMPY.items()}


class Tensor:
    """A tensor that the host holds.

    Attributes:
        dtype: ``f32``, ``u8``, ``i64`` ….
        shape: its dimensions.
    """

    __slots__ = ("_data", "_held", "dtype", "shape")

    def __init__(self, data: Any, dtype: str | None = None, shape: Sequence[int] | None = None) -> None:
        """A tensor of bytes or an ``array.array`` (with ``dtype`` and ``shape``), or of a numpy array.

        Raises HostError when the bytes do not fill the shape.
        """
        found, sides, view = _elements(data)
        dtype = dtype or found
        if dtype is None:
            raise TypeError("a tensor of bytes needs its dtype, such as 'f32'")
        sides = tuple(shape) if shape is not None else sides
        if sides is None:
            raise TypeError("a tensor of bytes needs its shape")
        self._take(host().tensor_new(dtype, sides, view))

    @classmethod
    def _of(cls, held: Held) -> Tensor:
        """The tensor that the host holds already."""
        tensor = cls.__new__(cls)
        tensor._take(held)
        return tensor

    def _take(self, held: Held) -> None:
        self._held: Held | None = held
        self._data: bytes | None = None
        self.dtype, self.shape = held.dtype, tuple(held.shape)

    @property
    def held(self) -> Held:
        """What the form knows it by."""
        assert self._held is not None
        return self._held

    @property
    def data(self) -> bytes:
        """Its elements in C order, little endian; fetched once."""
        if self._data is None:
            self._data = host().tensor_bytes(self.held)
        return self._data

    def values(self) -> array[Any]:
        """Its elements as a flat ``array.array``. Raises TypeError for f16 and bf16, which it does not have."""
        if self.dtype not in _CODES:
            raise TypeError(f"array.array has no {self.dtype}; use .data, or .numpy()")
        made: array[Any] = array(_CODES[self.dtype])
        made.frombytes(self.data)
        return made

    def numpy(self) -> Any:
        """Its elements as a numpy array of its shape, not to be written to. Raises ImportError without numpy."""
        import numpy as np

        if self.dtype == "bf16":
            bits = np.frombuffer(self.data, np.uint16).astype(np.uint32) << 16
            return bits.view(np.float32).reshape(self.shape)
        return np.frombuffer(self.data, _NUMPY[self.dtype]).reshape(self.shape)

    def top(self, count: int = 5) -> list[tuple[int, float]]:
        """Index (in C order) and value of the largest elements, largest first. The rest stays with the host."""
        return host().tensor_top(self.held, count)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        return f"Tensor({self.dtype}{list(self.shape)})"

    def __del__(self) -> None:
        held = getattr(self, "_held", None)
        if held is not None:
            host().tensor_free(held)


def as_tensor(value: Any) -> Tensor:
    """A tensor, or one of a numpy array. Raises TypeError for anything else."""
    return value if isinstance(value, Tensor) else Tensor(value)


def _elements(data: Any) -> tuple[str | None, tuple[int, ...] | None, bytes | memoryview]:
    """Dtype and shape where the data says them, and its bytes."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(data, numpy.ndarray | numpy.generic):
        values = numpy.ascontiguousarray(data)
        if values.dtype.name not in _NAMES:
            raise TypeError(f"numpy's {values.dtype} is no tensor's dtype; convert it, for example to float32")
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        return _NAMES[values.dtype.name], tuple(numpy.shape(data)), values.tobytes()
    if isinstance(data, array):
        codes = {code: dtype for dtype, code in _CODES.items() if dtype != "bool"}
        return codes.get(data.typecode), (len(data),), data.tobytes()
    if isinstance(data, bytes | bytearray | memoryview):
        return None, None, bytes(data)
    raise TypeError(f"no tensor can be made of {type(data).__name__}; give bytes, array.array or a numpy array")
