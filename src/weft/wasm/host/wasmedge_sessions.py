"""Sessions, which both of WasmEdge's TensorFlow interfaces are built on: a model, its inputs and its last outputs.

A guest opens a session with the bytes of its model, which needs the grant ``nn.load``. The first generation of each
interface numbers sessions and tensors with i64 handles, 0 being none, and mostly cannot say that something failed; the
second has u32 numbers from 0, and an error code for every call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, ClassVar

from weft.core.model import Model, ModelOptions, Port
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor
from weft.wasm.guard import KINDS, Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.host.nn_grants import GRANT, OWN_MODEL, check_own_model
from weft.wasm.memory import Bytes

if TYPE_CHECKING:
    from weft.wasm.instance import Instance


@dataclass(slots=True)
class Session:
    """A model with the inputs set so far and the outputs of its last run.

    Attributes:
        reload: the same model with further outputs, tensors from its inside by name; None where that cannot be had.
        wanted: names of the outputs a run computes, in the order the guest asked for them.
        inner: tensors from inside the graph that are outputs of the model, too.
    """

    model: Model
    reload: Callable[[tuple[str, ...]], Model] | None = None
    inputs: dict[str, Tensor] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)
    inner: tuple[str, ...] = ()
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def run(self) -> None:
        """Compute the wanted outputs. Raises TensorError and ModelError; the last outputs are then gone."""
        self.outputs = {}
        self.outputs = self.model.infer(self.inputs, self.wanted)

    def data(self, output: str) -> Bytes:
        """The bytes of an output. Raises Refusal before a run succeeded."""
        if output not in self.outputs:
            raise Refusal("failed", f"output '{output}' is asked for before a run succeeded")
        return self.outputs[output].bytes_view()


class Sessions:
    """The open sessions of one instance by number, at most ``limits.handles`` of them."""

    def __init__(self, instance: Instance, formats: frozenset[str], numbers: count[int]) -> None:
        self._instance = instance
        self._formats = formats
        self._numbers = numbers
        self._open: dict[int, Session] = {}

    def open(self, data: bytes) -> int:
        """A session for the guest's own model. Raises DeniedError, ModelError and Refusal."""
        check_own_model(self._instance)

        def load(outputs: tuple[str, ...] = ()) -> Model:
            return self._instance.settings.services.models.load_bytes([data], ModelOptions(outputs=outputs))

        return self.add(Session(load(), load))

    def add(self, session: Session) -> int:
        """Number a session."""
        info = session.model.info
        if info.format not in self._formats:
            raise Refusal(
                "encoding", f"the model is {info.format}, and this takes {' or '.join(sorted(self._formats))}"
            )
        number = next(self._numbers)
        self._open[number] = session
        return number

    def check_room(self) -> None:
        """Raise Refusal when no session may be opened any more; asked before a model is read."""
        limit = self._instance.settings.limits.handles
        if len(self._open) >= limit:
            raise Refusal("failed", f"{limit} sessions are open, which is limits.handles; delete some")

    def get(self, number: int) -> Session:
        """An open session. Raises Refusal."""
        try:
            return self._open[number]
        except KeyError:
            raise Refusal("invalid", f"no session {number}") from None

    def drop(self, number: int) -> Session | None:
        """Close a session; nothing happens where there is none."""
        return self._open.pop(number, None)

    def clear(self) -> None:
        """Close all."""
        self._open.clear()


class SessionModule(HostModule):
    """What both generations share. ``formats`` are the model formats the interface is for."""

    grant = GRANT
    formats: ClassVar[frozenset[str]]
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
        return self.sessions.open(self.memory.read(model_ptr, model_len))


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


def port_named(ports: Sequence[Port], names: Sequence[str], what: str) -> Port:
    """The first port with one of the names. Raises Refusal, naming the nearest."""
    for name in names:
        for port in ports:
            if port.name == name:
                return port
    known = [port.name for port in ports]
    hint = did_you_mean(names[0], known) or f"the model has {', '.join(known)}"
    raise Refusal("not_found", f"no {what} '{names[0]}'; {hint}")


def _output(session: Session, tensor: int) -> str:
    if not 0 <= tensor < len(session.wanted):
        raise Refusal("invalid", f"no tensor {tensor}; the session has {len(session.wanted)}")
    return session.wanted[tensor]
