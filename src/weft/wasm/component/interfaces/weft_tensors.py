"""``weft:function/tensors``: what wasi:nn leaves out. Data as text, and the largest values without the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from weft.core.tensor import Tensor
from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.wasi_nn_tensors import DTYPES, TENSOR, TENSOR_TYPE, new_tensor
from weft.wasm.component.interfaces.weft_types import ERROR, WeftInterface
from weft.wasm.component.latin1 import to_bytes, to_text
from weft.wasm.component.types import F64, STRING, U32, Borrow, List, Own, Result, Tuple
from weft.wasm.stdio_tensors import top as largest


class WeftTensors(WeftInterface):
    """Tensors of wasi:nn, whose handles these are."""

    name = "weft:function/tensors"
    resources: ClassVar[Mapping[str, int]] = {"tensor": TENSOR}

    @offered(List(U32), TENSOR_TYPE, STRING, result=Result(Own(TENSOR), ERROR))
    def make(self, dimensions: list[int], ty: str, data: str) -> int:
        """A tensor of bytes as text."""
        return new_tensor(self.handles, tuple(dimensions), DTYPES[ty], to_bytes(data))

    @offered(Borrow(TENSOR), result=STRING)
    def data(self, number: int) -> str:
        """The elements' bytes as text."""
        return to_text(self.handles.get(number, Tensor).bytes_view())

    @offered(Borrow(TENSOR), result=Result(Own(TENSOR), ERROR))
    def share(self, number: int) -> int:
        """A second handle on the same elements, for an inference to take away."""
        tensor = self.handles.get(number, Tensor)
        return self.handles.add(tensor, tensor.nbytes)

    @offered(Borrow(TENSOR), U32, result=Result(List(Tuple((U32, F64))), ERROR))
    def top(self, number: int, count: int) -> list[tuple[int, float]]:
        """Index and value of the largest elements, largest first; of equal ones the first. No NaN."""
        return largest(self.handles.get(number, Tensor), count)
