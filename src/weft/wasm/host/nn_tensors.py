"""Tensors as guests describe them, read with the model's own port as the judge.

Guests disagree about numbers: two dtype numberings are in use, dimensions may lie about the layout, and only
the low byte of the type word is defined. The model knows what it takes, so its port decides; what a guest
says must only not contradict it in size.
"""

from __future__ import annotations

import math
import struct

from weft.core.dtypes import BYTES, DTYPES, DType
from weft.core.model import Layout, Port
from weft.core.tensor import Array, Tensor
from weft.wasm.guard import Refusal
from weft.wasm.memory import GuestMemory

TENSOR = struct.Struct("<IIIII")
"""dims pointer, dims count, type word, data pointer, data length."""

MAX_RANK = 16

_NEW = {row.nn_new: row for row in DTYPES if row.nn_new is not None}
_OLD = {row.nn_old: row for row in DTYPES if row.nn_old is not None}
_CHANNELS = frozenset((1, 3, 4))


def read_tensor(memory: GuestMemory, ptr: int, port: Port, layout: Layout | None, last: Tensor | None = None) -> Tensor:
    """The tensor at ``ptr`` as input for ``port``; its elements are copied out of guest memory.

    ``layout`` is what the data of a picture input really is, where the model's manifest says so. ``last`` is the
    tensor set before, whose memory is taken again where it fits: new memory for each frame costs as much as the copy.
    Raises Refusal ("invalid") when dtype or size do not fit.
    """
    dims_ptr, rank, type_word, data_ptr, data_len = memory.unpack(TENSOR, ptr)
    if rank > MAX_RANK:
        raise Refusal("invalid", f"a tensor of rank {rank}; at most {MAX_RANK}")
    dims = memory.unpack(struct.Struct(f"<{rank}I"), dims_ptr) if rank else ()
    data = memory.view(data_ptr, data_len)
    dtype = _decide(type_word & 0xFF, port, data_len, dims)
    shape = _shape(port, dims, data_len // dtype.itemsize)
    if layout is None and last is not None and last.dtype is dtype and last.shape == shape:
        last.bytes_view()[:] = data
        return last
    values = data.copy().view(dtype.numpy)
    return Tensor(_arrange(values, shape, layout), dtype)


def tensor_words(memory: GuestMemory, ptr: int) -> str:
    """A tensor as a guest describes it, for a trace. Raises Refusal where it lies outside memory."""
    dims_ptr, rank, type_word, _, size = memory.unpack(TENSOR, ptr)
    shown = min(rank, MAX_RANK)
    dims = ",".join(map(str, memory.unpack(struct.Struct(f"<{shown}I"), dims_ptr)))
    return f"[{dims}{',…' if shown < rank else ''}] of type {type_word & 0xFF}, {size} bytes"


def fit_tensor(values: Array, dtype: DType, dims: tuple[int, ...], port: Port, layout: Layout | None) -> Tensor:
    """Flat elements as input for ``port``. Raises Refusal ("invalid") when their number does not fit."""
    return Tensor(_arrange(values, _shape(port, dims, values.size), layout), dtype)


def _decide(code: int, port: Port, data_len: int, dims: tuple[int, ...]) -> DType:
    """The port's dtype, if either numbering or the bytes per element agree with it."""
    if port.dtype is BYTES:
        raise Refusal("unsupported", f"input '{port.name}' takes texts, which wasi-nn cannot pass")
    claimed = (_NEW.get(code), _OLD.get(code))
    count = math.prod(dims)
    if port.dtype in claimed and data_len % port.dtype.itemsize == 0:
        return port.dtype
    if count and data_len == count * port.dtype.itemsize and all(row is None for row in claimed):
        return port.dtype  # a type this numbering cannot say (i8, bool …): the size is the evidence
    said = " or ".join(dict.fromkeys(row.name for row in claimed if row)) or f"type {code}"
    raise Refusal("invalid", f"input '{port.name}' takes {port.dtype}; the guest gave {said}, {data_len} bytes")


def _shape(port: Port, dims: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The port's shape where it is known and the element count fits; otherwise what the guest says."""
    if port.shape is not None:
        known = [dim for dim in port.shape if dim is not None]
        if len(known) == len(port.shape) and math.prod(known) == count:
            return tuple(known)
        if len(known) == len(port.shape) - 1 and not _matches(port.shape, dims):
            return _solve(port, known, count)
    if math.prod(dims) != count:
        raise Refusal(
            "invalid", f"input '{port.name}' is {port}; the guest gave dimensions {list(dims)} for {count} elements"
        )
    return dims


def _matches(shape: tuple[int | None, ...], dims: tuple[int, ...]) -> bool:
    return len(shape) == len(dims) and all(want in {None, have} for want, have in zip(shape, dims, strict=True))


def _solve(port: Port, known: list[int], count: int) -> tuple[int, ...]:
    """One open dimension: the element count says what it is."""
    rest = math.prod(known)
    if not rest or count % rest:
        raise Refusal("invalid", f"{count} elements do not fill input '{port.name}', which is {port}")
    assert port.shape is not None
    return tuple(count // rest if dim is None else dim for dim in port.shape)


def _arrange(values: Array, shape: tuple[int, ...], layout: Layout | None) -> Array:
    """Turn picture data round where the manifest says that it lies the other way than the model wants."""
    if layout is None or len(shape) != 4:
        return values.reshape(shape)
    batch, *rest = shape
    if layout == "nhwc" and rest[0] in _CHANNELS:
        channels, height, width = rest
        return values.reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
    if layout == "nchw" and rest[2] in _CHANNELS:
        height, width, channels = rest
        return values.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
    return values.reshape(shape)
