"""``wasmedge_tensorflowlite``: TFLite models, both generations of WasmEdge's functions.

Inputs and outputs go by the names of their tensors; every output is computed.
"""

from __future__ import annotations

from weft.core.model import Port
from weft.core.tensor import Tensor
from weft.wasm.guard import Refusal
from weft.wasm.host.base import exported
from weft.wasm.host.nn_tensors import fit_tensor
from weft.wasm.host.wasmedge_generations import FirstGeneration, SecondGeneration, SessionModule
from weft.wasm.host.wasmedge_sessions import Session, port_named
from weft.wasm.memory import Bytes


class _Lite(SessionModule):
    """What both generations do with TFLite models."""

    formats = frozenset({"tflite"})

    def begin_session(self, model_ptr: int, model_len: int) -> int:
        """A session that computes every output."""
        number = super().begin_session(model_ptr, model_len)
        session = self.sessions.get(number)
        session.wanted = [port.name for port in session.model.info.outputs]
        return number

    def set_input(self, session: Session, name_ptr: int, name_len: int, data_ptr: int, data_len: int) -> None:
        """Set an input: exactly the bytes of its tensor."""
        name = self.memory.text(name_ptr, name_len)
        port = port_named(session.model.info.inputs, [name], "input")
        data = self.memory.view(data_ptr, data_len)
        self.sessions.set_input(session, port, _tensor(data, port))


class FirstLite(FirstGeneration, _Lite):
    """i64 handles."""

    name = "wasmedge_tensorflowlite"
    prefix = "wasmedge_tensorflowlite_"

    @exported("(i64 i32 i32 i32 i32) -> ()")
    def append_input(self, handle: int, name_ptr: int, name_len: int, data_ptr: int, data_len: int) -> None:
        """Set an input by the name of its tensor."""
        self.set_input(self.sessions.get(handle), name_ptr, name_len, data_ptr, data_len)

    @exported("(i64 i32 i32) -> (i64)", failure=0)
    def get_output_tensor(self, handle: int, name_ptr: int, name_len: int) -> int:
        """The handle of an output; 0 for none."""
        session = self.sessions.get(handle)
        name = self.memory.text(name_ptr, name_len)
        return self.handle_of(session, port_named(session.model.info.outputs, [name], "output").name)


class SecondLite(SecondGeneration, _Lite):
    """u32 numbers and error codes."""

    name = "wasmedge_tensorflowlite"

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def append_input(self, number: int, name_ptr: int, name_len: int, data_ptr: int, data_len: int) -> None:
        """Set an input by the name of its tensor."""
        self.set_input(self.sessions.get(number), name_ptr, name_len, data_ptr, data_len)

    def output_named(self, session: Session, name: str) -> str:
        """The output with this name."""
        return port_named(session.model.info.outputs, [name], "output").name

    def fitting(self, data: Bytes, room: int) -> Bytes:
        """All of it, or nothing."""
        if room < data.size:
            raise Refusal("too_small", f"the output has {data.size} bytes, the buffer {room}")
        return data


def _tensor(data: Bytes, port: Port) -> Tensor:
    if data.size % port.dtype.itemsize:
        raise Refusal("invalid", f"{data.size} bytes for input '{port.name}', which is {port}")
    return fit_tensor(data.copy().view(port.dtype.numpy), port.dtype, (), port, None)
