"""What both generations of WasmEdge's TensorFlow interfaces have in common, and what each is by itself.

The first numbers sessions and tensors with i64 handles, 0 being none, and mostly cannot say that something failed. The
second has u32 numbers from 0, and an error code for every call.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, ClassVar

from weft.wasm.guard import KINDS, Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.host.nn_grants import GRANT, OWN_MODEL
from weft.wasm.host.wasmedge_sessions import Session, Sessions
from weft.wasm.memory import Bytes

if TYPE_CHECKING:
    from weft.wasm.instance import Instance


class SessionModule(HostModule):
    """What both generations share.

    Class attributes:
        formats: the model formats the interface is for.
        look_inside: guests may ask for tensors from inside a graph.
        first: the number of the first session.
    """

    grant = GRANT
    formats: ClassVar[frozenset[str]]
    look_inside: ClassVar[bool] = False
    first: ClassVar[int]

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.numbers = count(self.first)
        self.sessions = Sessions(instance, self.formats, self.numbers)

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """A guest brings its model itself."""
        return (OWN_MODEL,) if f"{cls.prefix}create_session" in functions else ()

    def close(self) -> None:
        """Let go of every model and tensor."""
        self.sessions.clear()

    def begin_session(self, model_ptr: int, model_len: int) -> int:
        """A session for the model in guest memory."""
        self.sessions.check_room()
        return self.sessions.open(self.memory.read(model_ptr, model_len), look_inside=self.look_inside)


class FirstGeneration(SessionModule):
    """i64 handles, 0 being none. A tensor's handle stays good over runs, until its session is deleted."""

    first = 1
    errno: ClassVar[dict[Kind, int]] = dict.fromkeys(KINDS, 1)

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._tensors: dict[int, tuple[Session, str]] = {}

    @exported("(i32 i32) -> (i64)", failure=0)
    def create_session(self, model_ptr: int, model_len: int) -> int:
        """A session for the model in guest memory; 0 for none."""
        return self.begin_session(model_ptr, model_len)

    @exported("(i64) -> ()")
    def delete_session(self, handle: int) -> None:
        """Forget a session and the handles of its tensors."""
        gone = self.sessions.drop(handle)
        self._tensors = {number: entry for number, entry in self._tensors.items() if entry[0] is not gone}

    @exported("(i64) -> (i32)")
    def run_session(self, handle: int) -> None:
        """Compute the outputs; 0, or 1 where it failed."""
        self.sessions.get(handle).run()

    @exported("(i64) -> (i32)", failure=0)
    def get_tensor_len(self, tensor: int) -> int:
        """Bytes of an output."""
        return self._data(tensor).size

    @exported("(i64 i32) -> ()")
    def get_tensor_data(self, tensor: int, out: int) -> None:
        """Copy an output; the guest has asked how large it is."""
        self.memory.write(out, self._data(tensor))

    def handle_of(self, session: Session, output: str) -> int:
        """The handle of a session's output, the same one each time."""
        for number, (owner, name) in self._tensors.items():
            if owner is session and name == output:
                return number
        number = next(self.numbers)
        self._tensors[number] = (session, output)
        return number

    def close(self) -> None:
        """Let go of every model and tensor."""
        super().close()
        self._tensors.clear()

    def _data(self, tensor: int) -> Bytes:
        if tensor not in self._tensors:
            raise Refusal("invalid", f"no tensor {tensor}")
        session, output = self._tensors[tensor]
        return session.data(output)


class SecondGeneration(SessionModule):
    """u32 numbers from 0; 0 for success, or an error code."""

    first = 0
    errno: ClassVar[dict[Kind, int]] = {
        "invalid": 1,
        "not_found": 1,
        "too_small": 1,
        "encoding": 2,
        "outside": 3,
        "busy": 4,
        "failed": 5,
        "too_large": 5,
        "unsupported": 5,
        "denied": 5,
    }

    @exported("(i32 i32 i32) -> (i32)")
    def create_session(self, model_ptr: int, model_len: int, number_out: int) -> None:
        """A session for the model in guest memory."""
        self.memory.view(number_out, 4)  # a bad pointer must not cost a load
        self.memory.write_u32(number_out, self.begin_session(model_ptr, model_len))

    @exported("(i32) -> (i32)")
    def delete_session(self, number: int) -> None:
        """Forget a session; one that is not there is no error."""
        self.sessions.drop(number)

    @exported("(i32) -> (i32)")
    def run_session(self, number: int) -> None:
        """Compute the outputs."""
        self.sessions.get(number).run()

    @exported("(i32 i32 i32 i32) -> (i32)")
    def get_output_tensor(self, number: int, name_ptr: int, name_len: int, tensor_out: int) -> None:
        """The number of an output by its name."""
        session = self.sessions.get(number)
        output = self.output_named(session, self.memory.text(name_ptr, name_len))
        self.memory.write_u32(tensor_out, session.wanted.index(output))

    @exported("(i32 i32 i32) -> (i32)")
    def get_tensor_len(self, number: int, tensor: int, length_out: int) -> None:
        """Bytes of an output."""
        session = self.sessions.get(number)
        self.memory.write_u32(length_out, session.data(_output(session, tensor)).size)

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def get_tensor_data(self, number: int, tensor: int, out: int, room: int, written_out: int) -> None:
        """Copy an output."""
        session = self.sessions.get(number)
        target = self.memory.view(out, room)
        self.memory.write_u32(written_out, 0)
        part = self.fitting(session.data(_output(session, tensor)), room & 0xFFFFFFFF)
        target[: part.size] = part
        self.memory.write_u32(written_out, part.size)

    def output_named(self, session: Session, name: str) -> str:
        """The wanted output a guest means. Raises Refusal."""
        raise NotImplementedError

    def fitting(self, data: Bytes, room: int) -> Bytes:
        """What of an output goes into a buffer. Raises Refusal where it must be all of it."""
        raise NotImplementedError


def _output(session: Session, tensor: int) -> str:
    if not 0 <= tensor < len(session.wanted):
        raise Refusal("invalid", f"no tensor {tensor}; the session has {len(session.wanted)}")
    return session.wanted[tensor]
