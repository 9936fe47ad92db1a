"""Tensors the host holds for a stdio guest, by number, so that only what is asked for crosses the pipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.core.dtypes import BYTES, DType
from weft.core.model import Model, Port
from weft.core.tensor import Tensor
from weft.wasm.guard import Refusal
from weft.wasm.host.nn_ports import port_at, port_named
from weft.wasm.host.nn_tensors import MAX_RANK, fit_tensor

if TYPE_CHECKING:
    from weft.core.limits import Limits

MAX_TOP = 10_000
"""Elements one call of ``tensor.top`` may ask for."""

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


class Tensors:
    """What an instance holds: at most ``limits.handles`` tensors, and no more bytes than ``limits.memory``."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: dict[int, Tensor] = {}
        self._bytes = 0
        self._next = 1

    def room(self, size: int) -> Bytes:
        """Memory for a tensor to be kept. Raises Refusal ("too_large") before any is taken."""
        self._check(1, size)
        return np.empty(size, np.uint8)

    def keep(self, tensors: Sequence[Tensor]) -> list[dict[str, object]]:
        """Hold tensors, all of them or none; what a guest is told of each. Raises Refusal ("too_large")."""
        self._check(len(tensors), sum(tensor.nbytes for tensor in tensors))
        return [self._keep(tensor) for tensor in tensors]

    def get(self, number: int) -> Tensor:
        """A tensor. Raises Refusal ("invalid")."""
        try:
            return self._held[number]
        except KeyError:
            raise Refusal("invalid", f"no tensor {number}") from None

    def free(self, numbers: Sequence[int]) -> None:
        """Let go of tensors; one that is not there is no matter."""
        for number in numbers:
            if tensor := self._held.pop(number, None):
                self._bytes -= tensor.nbytes

    def _keep(self, tensor: Tensor) -> dict[str, object]:
        number, self._next = self._next, self._next + 1
        self._held[number] = tensor
        self._bytes += tensor.nbytes
        return {"tensor": number, "dtype": tensor.dtype.name, "shape": list(tensor.shape)}

    def _check(self, count: int, size: int) -> None:
        if len(self._held) + count > (most := self._limits.handles):
            what = f"{len(self._held)} tensors are held, and limits.handles is {most}"
            raise Refusal("too_large", what, "let go of tensors, or raise limits.handles")
        if self._bytes + size > (limit := self._limits.memory):
            what = f"{self._bytes + size} bytes of tensors, over the limit of {limit} (limits.memory)"
            raise Refusal("too_large", what, "let go of tensors, or raise limits.memory (--memory)")


def from_bytes(dtype: DType, shape: Sequence[int], data: bytes) -> Tensor:
    """A guest's own tensor. Raises Refusal ("invalid") when the bytes do not fill it."""
    if dtype is BYTES:
        raise Refusal("unsupported", "a tensor of texts cannot be made from bytes")
    if len(shape) > MAX_RANK:
        raise Refusal("invalid", f"a tensor of rank {len(shape)}; at most {MAX_RANK}")
    if math.prod(shape) * dtype.itemsize != len(data):
        needs = math.prod(shape) * dtype.itemsize
        raise Refusal("invalid", f"{len(data)} bytes do not fill {dtype}{list(shape)}, which needs {needs}")
    return Tensor.from_buffer(dtype, tuple(shape), data)


def to_bytes(tensor: Tensor) -> Bytes:
    """The elements, not copied. Raises Refusal ("unsupported") for texts."""
    if tensor.dtype is BYTES:
        raise Refusal("unsupported", "a tensor of texts has no bytes to read")
    return tensor.bytes_view()


def top(tensor: Tensor, count: int) -> list[tuple[int, float]]:
    """The largest elements, largest first, with their place in C order; of equal ones the first. NaN is left out."""
    if not 0 < count <= MAX_TOP:
        raise Refusal("invalid", f"the top {count} of a tensor; 1 to {MAX_TOP}")
    if tensor.dtype is BYTES:
        raise Refusal("unsupported", "a tensor of texts has no largest element")
    values = tensor.numbers().reshape(-1).astype(np.float64)
    places = np.argsort(-values, kind="stable")[: min(count, int(np.count_nonzero(~np.isnan(values))))]
    return [(int(place), float(values[place])) for place in places]


def infer(model: Model, given: Mapping[str, Tensor] | Sequence[Tensor]) -> dict[str, Tensor]:
    """One inference on inputs by name or by place. Raises Refusal for what does not fit, and as Model.infer."""
    ports = model.info.inputs
    if isinstance(given, Mapping):
        inputs = [(port_named(ports, name, "input"), tensor) for name, tensor in given.items()]
    else:
        inputs = [(port_at(ports, place, "input"), tensor) for place, tensor in enumerate(given)]
    return model.infer({port.name: _fitted(model, port, tensor) for port, tensor in inputs})


def _fitted(model: Model, port: Port, tensor: Tensor) -> Tensor:
    if tensor.dtype is not port.dtype:
        raise Refusal("invalid", f"input '{port.name}' takes {port.dtype}; the tensor is {tensor.dtype}")
    if tensor.dtype is BYTES:
        return tensor
    return fit_tensor(tensor.array.reshape(-1), tensor.dtype, tensor.shape, port, model.info.layout)
