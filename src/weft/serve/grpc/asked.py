"""What a ``ModelInferRequest`` holds: tensors as raw bytes, or as lists of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from weft.core.dtypes import BF16, BOOL, BYTES, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, DType, dtype_named
from weft.core.errors import InputError, TensorError
from weft.core.tensor import Array, Tensor
from weft.serve.caller import Caller
from weft.serve.models.request import InferRequest
from weft.serve.oip.asked import shape_of, timeout_of, wanted
from weft.serve.oip.raw import from_raw

FIELDS = {
    BOOL: "bool_contents",
    **dict.fromkeys((I8, I16, I32), "int_contents"),
    I64: "int64_contents",
    **dict.fromkeys((U8, U16, U32), "uint_contents"),
    U64: "uint64_contents",
    F32: "fp32_contents",
    F64: "fp64_contents",
    BYTES: "bytes_contents",
}
"""The list that holds a dtype's elements; f16 and bf16 have none."""

_WIDER = {"int_contents": np.int32, "uint_contents": np.uint32}


def request_of(asked: Any, caller: Caller, left_s: float | None = None) -> InferRequest:
    """The request that was asked, with ``left_s`` seconds for it. Raises TensorError and InputError."""
    parameters = values_of(asked.parameters)
    timeout_s = timeout_of(parameters)
    if left_s is not None:
        timeout_s = left_s if timeout_s is None else min(timeout_s, left_s)
    return InferRequest(
        asked.model_name,
        caller,
        dict(_tensors(asked)),
        asked.model_version,
        tuple(wanted(output.name, values_of(output.parameters)) for output in asked.outputs),
        asked.id,
        timeout_s,
        parameters,
    )


def values_of(parameters: Any) -> dict[str, Any]:
    """Parameters as plain values; those that hold none are left out."""
    chosen = ((name, value, value.WhichOneof("parameter_choice")) for name, value in parameters.items())
    return {name: getattr(value, choice) for name, value, choice in chosen if choice}


def _tensors(asked: Any) -> Iterator[tuple[str, Tensor]]:
    raw = asked.raw_input_contents
    if raw and len(raw) != len(asked.inputs):
        what = f"there are {len(raw)} raw_input_contents for {len(asked.inputs)} inputs"
        raise InputError(what, cure="send one for each input, in their order, or none")
    seen: set[str] = set()
    for index, given in enumerate(asked.inputs):
        where = f"input '{given.name}'"
        if given.name in seen:
            raise InputError(f"{where} is given twice", cure="keep one")
        seen.add(given.name)
        if "shared_memory_region" in given.parameters:
            raise InputError("shared memory is not offered here", where=where, cure="send the data")
        dtype, shape = dtype_named(given.datatype), shape_of(given.shape, where)
        if not raw:
            yield given.name, typed(dtype, shape, given.contents, where)
            continue
        if given.HasField("contents"):
            raise InputError("has contents and raw contents", where=where, cure="send one of them")
        yield given.name, from_raw(dtype, shape, raw[index], where)


def typed(dtype: DType, shape: tuple[int, ...], contents: Any, where: str) -> Tensor:
    """A tensor from ``InferTensorContents``. Raises TensorError where they are not what dtype and shape say."""
    if dtype in (F16, BF16):
        raise TensorError(f"{dtype.protocol} has no list of its own", where=where, cure="send it in raw_input_contents")
    name = FIELDS[dtype]
    wrong = [field.name for field, _ in contents.ListFields() if field.name != name]
    if wrong:
        what = f"{dtype.protocol} is given as {wrong[0]}"
        raise TensorError(what, where=where, cure=f"send it as {name}, or in raw_input_contents")
    values: Sequence[Any] = getattr(contents, name)
    if len(values) != prod(shape):
        what = f"{len(values)} elements do not fill {dtype.protocol}{list(shape)}, which needs {prod(shape)}"
        raise TensorError(what, where=where, cure="send as many elements as the shape has")
    return Tensor(_array(dtype, name, values, where).reshape(shape), dtype)


def _array(dtype: DType, name: str, values: Sequence[Any], where: str) -> Array:
    if dtype is BYTES:
        found = np.empty(len(values), dtype=np.object_)
        found[:] = list(values)
        return found
    wide = np.fromiter(values, _WIDER.get(name, dtype.numpy), len(values))
    narrow = wide.astype(dtype.numpy, copy=False)
    if not np.array_equal(narrow, wide) and dtype.numpy.kind != "f":  # NaN is not equal to itself
        raise TensorError(f"a number does not fit into {dtype.protocol}", where=where, cure="send smaller ones")
    return narrow
