"""The dtype table: one row per element type, with every name and number other parties use for it.

Names are Weft's own ("f32"); the Open Inference Protocol says "FP32"; ``wasi_ephemeral_nn`` has an old
numbering (f16 f32 u8 i32) and a new one (f16 f32 f64 u8 i32 i64).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from weft.core.errors import TensorError
from weft.core.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class DType:
    """An element type. ``numpy`` is how the host stores it (bf16 is stored as its 16 raw bits)."""

    name: str
    protocol: str
    numpy: np.dtype[Any]
    nn_new: int | None = None
    nn_old: int | None = None

    @property
    def itemsize(self) -> int:
        """Bytes per element; for ``bytes`` the size of a pointer, which means nothing outside."""
        return self.numpy.itemsize

    def __str__(self) -> str:
        return self.name


BOOL = DType("bool", "BOOL", np.dtype(np.bool_))
U8 = DType("u8", "UINT8", np.dtype(np.uint8), nn_new=3, nn_old=2)
U16 = DType("u16", "UINT16", np.dtype(np.uint16))
U32 = DType("u32", "UINT32", np.dtype(np.uint32))
U64 = DType("u64", "UINT64", np.dtype(np.uint64))
I8 = DType("i8", "INT8", np.dtype(np.int8))
I16 = DType("i16", "INT16", np.dtype(np.int16))
I32 = DType("i32", "INT32", np.dtype(np.int32), nn_new=4, nn_old=3)
I64 = DType("i64", "INT64", np.dtype(np.int64), nn_new=5)
F16 = DType("f16", "FP16", np.dtype(np.float16), nn_new=0, nn_old=0)
BF16 = DType("bf16", "BF16", np.dtype(np.uint16))
F32 = DType("f32", "FP32", np.dtype(np.float32), nn_new=1, nn_old=1)
F64 = DType("f64", "FP64", np.dtype(np.float64), nn_new=2)
BYTES = DType("bytes", "BYTES", np.dtype(np.object_))

DTYPES = (BOOL, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF16, F32, F64, BYTES)

_BY_NAME = {name: row for row in DTYPES for name in (row.name, row.protocol)}
_BY_NUMPY = {row.numpy: row for row in DTYPES if row is not BF16}


def dtype_named(name: str) -> DType:
    """The row for Weft's name or the Open Inference Protocol's; TensorError if there is none."""
    try:
        return _BY_NAME[name]
    except KeyError:
        names = [row.name for row in DTYPES]
        cure = did_you_mean(name, names) or f"one of {', '.join(names)}"
        raise TensorError(f"no dtype '{name}'", cure=cure) from None


def dtype_of(array: np.ndarray[Any, Any]) -> DType:
    """The row for a numpy array's dtype; TensorError for one no engine knows (complex, datetime …)."""
    kind = array.dtype
    if kind.kind in "SU":
        return BYTES
    try:
        return _BY_NUMPY[kind.newbyteorder("=")]
    except KeyError:
        raise TensorError(f"numpy dtype {kind} is no tensor dtype", cure="convert it, for example to float32") from None
