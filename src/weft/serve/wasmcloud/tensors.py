"""Tensors as the example writes them: ``{"dimensions", "valueTypes", "flags", "data"}``, the bytes as numbers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from weft.core.dtypes import F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, DType
from weft.core.errors import InputError, TensorError
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor

VALUES = {
    "ValueU8": U8,
    "ValueU16": U16,
    "ValueU32": U32,
    "ValueU64": U64,
    "ValueS8": I8,
    "ValueS16": I16,
    "ValueS32": I32,
    "ValueS64": I64,
    "ValueF16": F16,
    "ValueF32": F32,
    "ValueF64": F64,
}
_NAMES = {dtype: name for name, dtype in VALUES.items()}
_CURE = 'send {"dimensions": [1, 4], "valueTypes": ["ValueF32"], "flags": 0, "data": [bytes …]}'

_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Dimension = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Written(msgspec.Struct):
    dimensions: Annotated[list[_Dimension], msgspec.Meta(max_length=64)]
    valueTypes: list[str]  # noqa: N815 - the protocol's word
    data: list[_Byte]
    flags: int = 0


def read_tensor(body: bytes | memoryview) -> Tensor:
    """The tensor in a request's JSON. Raises InputError for other JSON, TensorError for what is no tensor."""
    try:
        written = msgspec.json.decode(body, type=_Written)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"the request is no tensor: {error}", cure=_CURE) from error
    if written.flags:
        raise TensorError(f"flags {written.flags} are not known here", cure="send row-major tensors, with flags 0")
    return Tensor.from_buffer(_dtype(written.valueTypes), tuple(written.dimensions), bytes(written.data))


def _dtype(names: list[str]) -> DType:
    if len(set(names)) != 1:
        raise TensorError(f"a tensor has one value type, not {len(set(names))}", cure=_CURE)
    if names[0] not in VALUES:
        cure = did_you_mean(names[0], VALUES) or f"one of {', '.join(VALUES)}"
        raise TensorError(f"no value type '{names[0][:40]}'", cure=cure)
    return VALUES[names[0]]


def written(tensor: Tensor) -> dict[str, Any]:
    """A tensor as the example writes it. Raises TensorError for a dtype that it has no word for."""
    if tensor.dtype not in _NAMES:
        cure = "ask in the Open Inference Protocol: POST /v2/models/NAME/infer"
        raise TensorError(f"this protocol has no word for {tensor.dtype} tensors", cure=cure)
    data = tensor.bytes_view().tolist()
    return {"dimensions": list(tensor.shape), "valueTypes": [_NAMES[tensor.dtype]], "flags": 0, "data": data}


def answer(tensor: Tensor) -> bytes:
    """The whole answer of an inference."""
    return msgspec.json.encode({"result": "Success", "tensor": written(tensor)})
