"""``wasi_nn``: WAMR's older form of wasi-nn, which differs from ``wasi_ephemeral_nn`` in how things lie in memory.

Facts: a model is one pointer to ``{parts pointer, count}``; a tensor is ``{pointer to {dims pointer, count}, type,
data pointer}``, its size being that of its dimensions; ``get_output`` takes the room, and gives the size, through one
pointer. With TFLite models everything is 32-bit floats, counted in elements: a quantised model's inputs and outputs
are converted on the way. With other models sizes are bytes.
"""

from __future__ import annotations

import functools
import math
import struct
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from weft.core.dtypes import DTYPES, F32, DType
from weft.core.model import Port
from weft.core.tensor import Array, Tensor
from weft.wasm.guard import Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.host.nn_grants import GRANT
from weft.wasm.host.nn_tensors import MAX_RANK, fit_tensor
from weft.wasm.host.wasi_nn import WasiNN
from weft.wasm.memory import Bytes

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

Floats = np.ndarray[Any, np.dtype[np.float32]]

_ARRAY = struct.Struct("<II")
_TENSOR = struct.Struct("<III")
_U32 = struct.Struct("<I")
_DTYPES = {row.nn_old: row for row in DTYPES if row.nn_old is not None}


class WamrNN(HostModule):
    """WAMR's structures around the graphs and contexts of wasi-nn."""

    name = "wasi_nn"
    grant = GRANT
    errno: ClassVar[dict[Kind, int]] = {**WasiNN.errno, "too_small": 3}

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """As wasi-nn."""
        return WasiNN.asks(functions)

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._nn = WasiNN(instance)

    def close(self) -> None:
        """Let go of every model and tensor."""
        self._nn.close()

    @exported("(i32 i32 i32 i32) -> (i32)")
    def load(self, array_ptr: int, encoding: int, target: int, graph_out: int) -> None:
        """Load a model from the guest's own bytes."""
        parts_ptr, count = self.memory.unpack(_ARRAY, array_ptr)
        self._nn.load(parts_ptr, count, encoding, target, graph_out)

    @exported("(i32 i32 i32) -> (i32)")
    def load_by_name(self, name_ptr: int, name_len: int, graph_out: int) -> None:
        """A granted model."""
        self._nn.load_by_name(name_ptr, name_len, graph_out)

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def load_by_name_with_config(self, name: int, name_len: int, config: int, config_len: int, graph_out: int) -> None:
        """A granted model; the config must be JSON."""
        self._nn.load_by_name_with_config(name, name_len, config, config_len, graph_out)

    @exported("(i32 i32) -> (i32)")
    def init_execution_context(self, graph: int, context_out: int) -> None:
        """A context for a graph."""
        self._nn.init_execution_context(graph, context_out)

    @exported("(i32 i32 i32) -> (i32)")
    def set_input(self, context: int, index: int, tensor_ptr: int) -> None:
        """Set an input; floats are converted where the model is quantised."""
        state, port = self._nn.input_of(context, index)
        dims, dtype, values = self._tensor(tensor_ptr)
        stored = _stored(values, dtype, port)
        self._nn.keep_input(state, port, fit_tensor(stored, port.dtype, dims, port, state.model.info.layout))

    @exported("(i32) -> (i32)")
    def compute(self, context: int) -> None:
        """Run the model."""
        self._nn.compute(context)

    @exported("(i32 i32 i32 i32) -> (i32)")
    def get_output(self, context: int, index: int, ptr: int, size_ptr: int) -> None:
        """Copy an output; its size takes the place of the room the guest has."""
        state, port, tensor = self._nn.output_of(context, index)
        data, size = _given(tensor, port, lite=state.model.info.format == "tflite")
        (room,) = self.memory.unpack(_U32, size_ptr)
        if size > room:
            raise Refusal("too_small", f"output '{port.name}' has size {size}, the buffer {room}")
        self.memory.write(ptr, data)
        self.memory.write_u32(size_ptr, size)

    def _tensor(self, ptr: int) -> tuple[tuple[int, ...], DType, Array]:
        """Dimensions, dtype and elements of a tensor; the elements are copied out of guest memory."""
        shape_ptr, type_word, data_ptr = self.memory.unpack(_TENSOR, ptr)
        dims_ptr, rank = self.memory.unpack(_ARRAY, shape_ptr)
        if rank > MAX_RANK:
            raise Refusal("invalid", f"a tensor of rank {rank}; at most {MAX_RANK}")
        dims = self.memory.unpack(struct.Struct(f"<{rank}I"), dims_ptr) if rank else ()
        dtype = _DTYPES.get(type_word & 0xFF)
        if dtype is None:
            raise Refusal("invalid", f"no tensor type {type_word & 0xFF}; 0 f16, 1 f32, 2 u8, 3 i32")
        size = min(math.prod(dims) * dtype.itemsize, 0xFFFFFFFF)
        return dims, dtype, self.memory.view(data_ptr, size).copy().view(dtype.numpy)


def _stored(values: Array, dtype: DType, port: Port) -> Array:
    """The elements as the model stores them. Quantising cuts, as WAMR does."""
    if dtype is port.dtype:
        return values
    if dtype is not F32 or port.quantization is None:
        raise Refusal("invalid", f"input '{port.name}' takes {port.dtype}; the guest gave {dtype}")
    scale, zero_point = port.quantization
    limits = np.iinfo(port.dtype.numpy)
    with np.errstate(invalid="ignore"):  # a guest may give NaN, for which any number will do
        return np.clip(values / np.float32(scale) + np.float32(zero_point), limits.min, limits.max).astype(limits.dtype)


def _given(tensor: Tensor, port: Port, *, lite: bool) -> tuple[Bytes, int]:
    """An output as WAMR's guests expect it, and its size as they count it."""
    if not lite:
        return tensor.bytes_view(), tensor.nbytes
    if tensor.dtype is F32:
        return tensor.bytes_view(), tensor.array.size
    if port.quantization is None:
        raise Refusal("unsupported", f"output '{port.name}' is {tensor.dtype}, and the engine tells no scale")
    stored = tensor.array.reshape(-1)
    if stored.itemsize == 1:  # the usual case, by a table
        floats = _values(port.dtype, port.quantization)[stored.view(np.uint8)]
    else:
        floats = _value(stored, port.quantization)
    return floats.view(np.uint8), floats.size


def _value(stored: Array, quantization: tuple[float, int]) -> Floats:
    """What stored elements stand for."""
    scale, zero_point = quantization
    values: Floats = (stored.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    return values


@functools.lru_cache(maxsize=64)
def _values(dtype: DType, quantization: tuple[float, int]) -> Floats:
    """What each of the 256 bytes stands for."""
    return _value(np.arange(256, dtype=np.uint8).view(dtype.numpy), quantization)
