"""``wasmedge_tensorflow``: TensorFlow graphs, both generations of WasmEdge's functions.

A tensor is a node's name and the number of the node's output, ``name:number`` in the second generation. Any tensor of
the graph may be asked for as an output, not its ends alone.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from weft.core import dtypes as dt
from weft.core.dtypes import DType
from weft.core.errors import WeftError
from weft.core.tensor import Tensor
from weft.wasm.guard import Refusal
from weft.wasm.host.base import exported
from weft.wasm.host.nn_grants import granted_model
from weft.wasm.host.nn_tensors import MAX_RANK
from weft.wasm.host.wasmedge_generations import FirstGeneration, SecondGeneration, SessionModule
from weft.wasm.host.wasmedge_sessions import Session, port_named
from weft.wasm.memory import Bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_OUTPUTS = 256
"""Outputs one session may ask for."""

MAX_TAGS = 64

DTYPES: dict[int, DType] = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 9, 10, 14, 17, 19, 22, 23),
        (dt.F32, dt.F64, dt.I32, dt.U8, dt.I16, dt.I8, dt.I64, dt.BOOL, dt.BF16, dt.U16, dt.F16, dt.U32, dt.U64),
        strict=True,
    )
)
"""TensorFlow's numbers of the element types."""

_TAG = struct.Struct("<II")


class _Graphs(SessionModule):
    """What both generations do with TensorFlow graphs."""

    formats = frozenset({"tensorflow", "savedmodel"})
    look_inside = True

    def set_input(
        self, session: Session, name: str, node_output: int, dims: tuple[int, int], dtype: int, data: tuple[int, int]
    ) -> None:
        """Set an input; ``dims`` is where they lie and how many, ``data`` where it lies and its bytes."""
        port = port_named(session.model.info.inputs, _names(name, node_output), "input")
        row = DTYPES.get(dtype)
        if row is not port.dtype:
            raise Refusal("invalid", f"input '{port.name}' takes {port.dtype}; the guest gave {row or f'type {dtype}'}")
        tensor = Tensor.from_buffer(row, self._dims(*dims), self.memory.read(*data))
        self.sessions.set_input(session, port, tensor)

    def want(self, session: Session, name: str, node_output: int) -> None:
        """Have an output computed from the next run on. One from inside the graph loads the model once more."""
        names = _names(name, node_output)
        if _wanted(session, names) is not None:
            return
        if len(session.wanted) >= MAX_OUTPUTS:
            raise Refusal("failed", f"{MAX_OUTPUTS} outputs are asked for already")
        if all(port.name not in names for port in session.model.info.outputs) and session.reload:
            self._look_inside(session, names)
        session.wanted.append(port_named(session.model.info.outputs, names, "output").name)

    def _look_inside(self, session: Session, names: Sequence[str]) -> None:
        assert session.reload is not None
        inner = (*session.inner, names[0])
        try:
            session.model = session.reload(inner)
        except WeftError as error:
            raise Refusal("not_found", f"no output '{names[0]}': {error.what}") from error
        session.inner = inner

    def _dims(self, ptr: int, rank: int) -> tuple[int, ...]:
        if not 0 <= rank <= MAX_RANK:
            raise Refusal("invalid", f"a tensor of rank {rank}; at most {MAX_RANK}")
        dims = self.memory.unpack(struct.Struct(f"<{rank}q"), ptr) if rank else ()
        if any(dim < 0 for dim in dims) or math.prod(dims) > 2**32:
            raise Refusal("invalid", f"dimensions {list(dims)}")
        return dims


class FirstTensorflow(FirstGeneration, _Graphs):
    """i64 handles."""

    name = "wasmedge_tensorflow"
    prefix = "wasmedge_tensorflow_"

    @exported("(i64 i32 i32 i32 i32 i32 i32 i32 i32) -> ()")
    def append_input(
        self, handle: int, name: int, length: int, output: int, dims: int, rank: int, dtype: int, data: int, size: int
    ) -> None:
        """Set an input: a node's name and output number, i64 dimensions, TensorFlow's element type, its bytes."""
        session = self.sessions.get(handle)
        self.set_input(session, self.memory.text(name, length), output, (dims, rank), dtype, (data, size))

    @exported("(i64 i32 i32 i32) -> ()")
    def append_output(self, handle: int, name: int, length: int, output: int) -> None:
        """Have an output computed."""
        self.want(self.sessions.get(handle), self.memory.text(name, length), output)

    @exported("(i64 i32 i32 i32) -> (i64)", failure=0)
    def get_output_tensor(self, handle: int, name: int, length: int, output: int) -> int:
        """The handle of an output that was appended; 0 for none."""
        session = self.sessions.get(handle)
        return self.handle_of(session, _appended(session, _names(self.memory.text(name, length), output)))

    @exported("(i64) -> ()")
    def clear_input(self, handle: int) -> None:
        """Forget all inputs."""
        self.sessions.get(handle).inputs.clear()

    @exported("(i64) -> ()")
    def clear_output(self, handle: int) -> None:
        """Forget all outputs."""
        _forget_outputs(self.sessions.get(handle))


class SecondTensorflow(SecondGeneration, _Graphs):
    """u32 numbers and error codes."""

    name = "wasmedge_tensorflow"

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def create_session_saved_model(self, path: int, length: int, tags: int, count: int, number_out: int) -> None:
        """A session for a SavedModel. The host opens no path a guest names: the path must be a granted model's name."""
        self.memory.view(number_out, 4)
        if not 0 <= count <= MAX_TAGS:
            raise Refusal("invalid", f"{count} tags; at most {MAX_TAGS}")
        for index in range(count):
            self.memory.text(*self.memory.unpack(_TAG, tags + index * _TAG.size))
        self.sessions.check_room()
        model = granted_model(self.instance, self.memory.text(path, length))
        self.memory.write_u32(number_out, self.sessions.add(Session(model)))

    @exported("(i32 i32 i32 i32 i32 i32 i32 i32) -> (i32)")
    def append_input(
        self, number: int, name: int, length: int, dims: int, rank: int, dtype: int, data: int, size: int
    ) -> None:
        """Set an input: ``name:number``, i64 dimensions, TensorFlow's element type, its bytes."""
        session = self.sessions.get(number)
        self.set_input(session, *_split(self.memory.text(name, length)), (dims, rank), dtype, (data, size))

    @exported("(i32 i32 i32) -> (i32)")
    def append_output(self, number: int, name: int, length: int) -> None:
        """Have an output computed."""
        self.want(self.sessions.get(number), *_split(self.memory.text(name, length)))

    @exported("(i32) -> (i32)")
    def clear_input(self, number: int) -> None:
        """Forget all inputs."""
        self.sessions.get(number).inputs.clear()

    @exported("(i32) -> (i32)")
    def clear_output(self, number: int) -> None:
        """Forget all outputs."""
        _forget_outputs(self.sessions.get(number))

    def output_named(self, session: Session, name: str) -> str:
        """An output that was appended."""
        return _appended(session, _names(*_split(name)))

    def fitting(self, data: Bytes, room: int) -> Bytes:
        """As much as the buffer takes."""
        return data[:room]


def _split(name: str) -> tuple[str, int]:
    """``name:number``, the number being 0 where there is none."""
    node, _, number = name.partition(":")
    return node, int(number) if number.isdecimal() else 0


def _names(node: str, output: int) -> list[str]:
    """What a node's output may be called by the engine, in full first."""
    return [f"{node}:{output}", *([node] if output == 0 else [])]


def _wanted(session: Session, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in session.wanted), None)


def _appended(session: Session, names: Sequence[str]) -> str:
    found = _wanted(session, names)
    if found is None:
        raise Refusal("invalid", f"output '{names[0]}' was not appended")
    return found


def _forget_outputs(session: Session) -> None:
    session.wanted.clear()
    session.outputs = {}
