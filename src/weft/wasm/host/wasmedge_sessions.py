"""Sessions, which both of WasmEdge's TensorFlow interfaces are built on: a model, its inputs and its last outputs.

A guest opens a session with the bytes of its model, which needs the grant ``nn.load``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from weft.core.model import Model, ModelOptions, Port
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor
from weft.wasm.guard import Refusal
from weft.wasm.host.nn_grants import check_own_model
from weft.wasm.host.nn_held import bytes_of, check_held
from weft.wasm.memory import Bytes

if TYPE_CHECKING:
    from weft.wasm.instance import Instance


@dataclass(slots=True)
class Session:
    """A model with the inputs set so far and the outputs of its last run.

    Attributes:
        reload: the same model with further outputs, tensors from its inside by name; None where that cannot be had.
        nbytes: what the guest brought for the model.
        wanted: names of the outputs a run computes, in the order the guest asked for them.
        inner: tensors from inside the graph that are outputs of the model, too.
    """

    model: Model
    reload: Callable[[tuple[str, ...]], Model] | None = None
    nbytes: int = 0
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

    def open(self, data: bytes, *, look_inside: bool) -> int:
        """A session for the guest's own model. Raises DeniedError, ModelError and Refusal.

        ``look_inside`` keeps the bytes, for outputs from inside the graph.
        """
        check_own_model(self._instance)
        check_held(self._instance, self._held() + len(data))

        def load(outputs: tuple[str, ...] = ()) -> Model:
            return self._instance.settings.services.models.load_bytes([data], ModelOptions(outputs=outputs))

        return self.add(Session(load(), load if look_inside else None, len(data)))

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

    def set_input(self, session: Session, port: Port, tensor: Tensor) -> None:
        """Set an input of a session. Raises Refusal where the host would hold too much for this guest."""
        replaced = session.inputs.get(port.name)
        check_held(self._instance, self._held() + tensor.nbytes - (replaced.nbytes if replaced else 0))
        session.inputs[port.name] = tensor

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

    def _held(self) -> int:
        """Bytes of the models the guest brought, and of all inputs."""
        return sum(session.nbytes + bytes_of(session.inputs.values()) for session in self._open.values())


def port_named(ports: Sequence[Port], names: Sequence[str], what: str) -> Port:
    """The first port with one of the names. Raises Refusal, naming the nearest."""
    for name in names:
        for port in ports:
            if port.name == name:
                return port
    known = [port.name for port in ports]
    hint = did_you_mean(names[0], known) or f"the model has {', '.join(known)}"
    raise Refusal("not_found", f"no {what} '{names[0]}'; {hint}")
