"""``wasi:nn``'s tensors and errors: what the other interfaces of the package work on, and their handles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from weft.core.dtypes import BF16, F16, F32, F64, I32, I64, U8, DType
from weft.core.errors import GuestError
from weft.core.tensor import Array, Tensor
from weft.wasm.component.handles import Handles
from weft.wasm.component.interface import Interface, offered
from weft.wasm.component.latin1 import MAX_LIST
from weft.wasm.component.types import BYTES, STRING, U32, Borrow, Enum, List, Own
from weft.wasm.guard import Kind, Refusal
from weft.wasm.host.nn_grants import GRANT

MAX_RANK = 16
VERSIONS = ("0.2.0-rc-2024-10-28", "0.2.0-rc-2024-08-19", "0.2.0-rc-2024-06-25")

TENSOR, GRAPH, CONTEXT, ERROR = 1, 2, 3, 4
DTYPES: Mapping[str, DType] = {"FP16": F16, "FP32": F32, "FP64": F64, "BF16": BF16, "U8": U8, "I32": I32, "I64": I64}
TENSOR_TYPE = Enum(tuple(DTYPES))
TYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_CODES: dict[Kind, str] = {
    "invalid": "invalid-argument",
    "outside": "invalid-argument",
    "too_small": "invalid-argument",
    "encoding": "invalid-encoding",
    "busy": "runtime-error",
    "failed": "runtime-error",
    "unsupported": "unsupported-operation",
    "too_large": "too-large",
    "not_found": "not-found",
    "denied": "security",
}
_CODE = Enum(
    (
        "invalid-argument",
        "invalid-encoding",
        "timeout",
        "runtime-error",
        "unsupported-operation",
        "too-large",
        "not-found",
        "security",
        "unknown",
    )
)


@dataclass(frozen=True, slots=True)
class NnError:
    """Why a call failed."""

    code: str
    data: str


class NnInterface(Interface):
    """An interface of the package ``wasi:nn``, whose errors are resources."""

    versions = VERSIONS
    grant = GRANT

    def error(self, kind: Kind, message: str) -> object:
        """A handle of an error; without room for one the guest ends."""
        return self.new_error(_CODES[kind], message)

    def new_error(self, code: str, message: str) -> int:
        """As above, with the interface's own code."""
        try:
            return self.handles.add(NnError(code, message), len(message))
        except Refusal as refusal:
            self.end(GuestError(refusal.reason, where=self.instance.settings.name, cure=refusal.cure))

    def tensor(self, number: int) -> Tensor:
        """A tensor the guest lends."""
        return self.handles.get(number, Tensor)

    def add_tensor(self, tensor: Tensor) -> int:
        """A handle of a tensor the host made."""
        return self.handles.add(tensor, tensor.nbytes)


class NnTensor(NnInterface):
    """Tensors."""

    name = "wasi:nn/tensor"
    resources: ClassVar[Mapping[str, int]] = {"tensor": TENSOR}

    @offered(List(U32), TENSOR_TYPE, BYTES, result=Own(TENSOR), name="[constructor]tensor")
    def constructor(self, dimensions: list[int], ty: str, data: bytes) -> int:
        """A tensor of the guest's bytes. What does not fit ends the guest: there is no error to return."""
        return new_tensor(self.handles, tuple(dimensions), DTYPES[ty], data)

    @offered(Borrow(TENSOR), result=List(U32), name="[method]tensor.dimensions")
    def dimensions(self, number: int) -> tuple[int, ...]:
        """Its shape."""
        return self.tensor(number).shape

    @offered(Borrow(TENSOR), result=TENSOR_TYPE, name="[method]tensor.ty")
    def ty(self, number: int) -> str:
        """Its dtype."""
        return TYPE_NAMES[self.tensor(number).dtype]

    @offered(Borrow(TENSOR), result=BYTES, name="[method]tensor.data")
    def data(self, number: int) -> Array:
        """Its elements. More than a list can hold ends the guest: there is no error to return."""
        data = self.tensor(number).bytes_view()
        if data.size > MAX_LIST:
            what = f"{self.tensor(number)} has {data.size} bytes, over the {MAX_LIST} of a list"
            raise Refusal("too_large", what, "read it as text (weft:function/tensors), or only its largest values")
        return data


class NnErrors(NnInterface):
    """Errors."""

    name = "wasi:nn/errors"
    resources: ClassVar[Mapping[str, int]] = {"error": ERROR}

    @offered(_CODE, STRING, result=Own(ERROR), name="[constructor]error")
    def constructor(self, code: str, data: str) -> int:
        """An error of the guest's own, as the first version has it."""
        return self.new_error(code, data)

    @offered(Borrow(ERROR), result=_CODE, name="[method]error.code")
    def code(self, number: int) -> str:
        """Its kind."""
        return self.handles.get(number, NnError).code

    @offered(Borrow(ERROR), result=STRING, name="[method]error.data")
    def data(self, number: int) -> str:
        """What happened."""
        return self.handles.get(number, NnError).data


def new_tensor(handles: Handles, shape: tuple[int, ...], dtype: DType, data: bytes) -> int:
    """A handle of a tensor of a guest's bytes. Raises Refusal where they do not fit, or there is no room."""
    if len(shape) > MAX_RANK:
        raise Refusal("invalid", f"a tensor of rank {len(shape)}; at most {MAX_RANK}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise Refusal("invalid", f"{len(data)} bytes do not fill {dtype}{list(shape)}")
    return handles.add(Tensor.from_buffer(dtype, shape, data), len(data))
