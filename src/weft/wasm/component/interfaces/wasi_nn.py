"""``wasi:nn``: inference for components. Tensors, graphs and contexts stay with the host; handles cross.

Spec: https://github.com/WebAssembly/wasi-nn. The versions differ in how a context is run: one call with all inputs
(June and October 2024), or inputs and outputs one by one (August 2024). Both are served under every version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from weft.core.dtypes import BYTES as TEXTS
from weft.core.dtypes import U8
from weft.core.model import Model, ModelOptions, Port
from weft.core.tensor import Tensor
from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.wasi_nn_tensors import CONTEXT, ERROR, GRAPH, TENSOR, TYPE_NAMES, NnInterface
from weft.wasm.component.types import BYTES, STRING, Borrow, Enum, List, Own, Result, Tuple
from weft.wasm.guard import Refusal
from weft.wasm.host.nn_grants import BY_NAME, OWN_MODEL, check_own_model, granted_model
from weft.wasm.host.nn_held import bytes_of
from weft.wasm.host.nn_ports import port_at, port_named
from weft.wasm.host.nn_tensors import fit_tensor

MAX_PARTS = 8
"""Byte buffers one model may come in; OpenVINO IR has two."""

_DEVICES = {"cpu": "cpu", "gpu": "cuda", "tpu": "npu"}
_ENCODINGS = Enum(("openvino", "onnx", "tensorflow", "pytorch", "tensorflowlite", "ggml", "autodetect"))
_NAMED = List(Tuple((STRING, Own(TENSOR))))


@dataclass(frozen=True, slots=True)
class Graph:
    """A model a guest loaded."""

    model: Model


@dataclass(slots=True)
class Context:
    """A model, with the inputs set so far and the outputs of the last inference."""

    model: Model
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: Mapping[str, Tensor] | None = None


class NnGraph(NnInterface):
    """Models."""

    name = "wasi:nn/graph"
    resources: ClassVar[Mapping[str, int]] = {
        "graph": GRAPH,
        "graph-execution-context": CONTEXT,
        "error": ERROR,
        "tensor": TENSOR,
    }

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """A model by name, or its own."""
        return (BY_NAME,) * ("load-by-name" in functions) + (OWN_MODEL,) * ("load" in functions)

    @offered(List(BYTES), _ENCODINGS, Enum(tuple(_DEVICES)), result=Result(Own(GRAPH), Own(ERROR)))
    def load(self, parts: list[bytes], _encoding: str, target: str) -> int:
        """The guest's own bytes. The encoding is a hint; the bytes say what they are."""
        check_own_model(self.instance)
        if not 0 < len(parts) <= MAX_PARTS:
            raise Refusal("invalid", f"a model in {len(parts)} parts; 1 to {MAX_PARTS}")
        size = sum(map(len, parts))
        self.handles.room(size)
        models = self.instance.settings.services.models
        return self.handles.add(Graph(models.load_bytes(parts, ModelOptions(device=_DEVICES[target]))), size)

    @offered(STRING, result=Result(Own(GRAPH), Own(ERROR)))
    def load_by_name(self, name: str) -> int:
        """A granted model, which the host has loaded already."""
        return self.handles.add(Graph(granted_model(self.instance, name)))

    @offered(Borrow(GRAPH), result=Result(Own(CONTEXT), Own(ERROR)), name="[method]graph.init-execution-context")
    def init_execution_context(self, number: int) -> int:
        """A context for a graph."""
        return self.handles.add(Context(self.handles.get(number, Graph).model))


class NnInference(NnInterface):
    """Running a model."""

    name = "wasi:nn/inference"
    resources: ClassVar[Mapping[str, int]] = {"graph-execution-context": CONTEXT, "error": ERROR, "tensor": TENSOR}

    @offered(Borrow(CONTEXT), _NAMED, result=Result(_NAMED, Own(ERROR)), name="[method]graph-execution-context.compute")
    def compute(self, number: int, inputs: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """One inference on these inputs; all outputs, by name. The inputs are given away."""
        model = self.handles.get(number, Context).model
        taken = [(name, self.handles.take(tensor, Tensor)) for name, tensor in inputs]
        found = model.infer(dict(_fitted(model, name, tensor) for name, tensor in taken))
        outputs = {name: _sayable(name, tensor) for name, tensor in found.items()}
        self.handles.room(sum(tensor.nbytes for tensor in outputs.values()), count=len(outputs))
        return [(name, self.add_tensor(tensor)) for name, tensor in outputs.items()]

    @offered(
        Borrow(CONTEXT), STRING, Own(TENSOR), result=Result(None, Own(ERROR)),
        name="[method]graph-execution-context.set-input",
    )  # fmt: skip
    def set_input(self, number: int, name: str, tensor: int) -> None:
        """Set an input by its name."""
        context = self.handles.get(number, Context)
        port, fitted = _fitted(context.model, name, self.handles.take(tensor, Tensor))
        inputs = {**context.inputs, port: fitted}
        self.handles.weigh(number, bytes_of(inputs.values()))
        context.inputs = inputs

    @offered(Borrow(CONTEXT), result=Result(None, Own(ERROR)), name="[method]graph-execution-context.compute")
    def compute_set(self, number: int) -> None:
        """Run the model on the inputs that were set."""
        context = self.handles.get(number, Context)
        context.outputs = None
        context.outputs = context.model.infer(context.inputs)

    @offered(
        Borrow(CONTEXT), STRING, result=Result(Own(TENSOR), Own(ERROR)),
        name="[method]graph-execution-context.get-output",
    )  # fmt: skip
    def get_output(self, number: int, name: str) -> int:
        """An output of the last inference by its name."""
        context = self.handles.get(number, Context)
        port = _port(context.model.info.outputs, name, "output")
        if context.outputs is None:
            raise Refusal("failed", "an output is asked for before compute succeeded")
        return self.add_tensor(_sayable(port.name, context.outputs[port.name]))


def _fitted(model: Model, name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """A tensor as the model's input of this name. Raises Refusal where it does not fit."""
    port = _port(model.info.inputs, name, "input")
    if tensor.dtype is not port.dtype:
        raise Refusal("invalid", f"input '{port.name}' takes {port.dtype}; the guest gave {tensor}")
    layout = model.info.layout
    if layout is None and tensor.shape == port.shape:
        return port.name, tensor
    return port.name, fit_tensor(tensor.array.reshape(-1), tensor.dtype, tensor.shape, port, layout)


def _port(ports: tuple[Port, ...], name: str, what: str) -> Port:
    """A port by its name, or by its number in digits, as guests made for several models have it."""
    if name.isdecimal() and len(name) < 4 and all(port.name != name for port in ports):
        return port_at(ports, int(name), what)
    return port_named(ports, name, what)


def _sayable(name: str, tensor: Tensor) -> Tensor:
    """A tensor that the interface has a type for; truth values are said as u8."""
    if tensor.dtype.name == "bool":
        return Tensor(tensor.array.view("u1"), U8)
    if tensor.dtype not in TYPE_NAMES:
        what = "texts" if tensor.dtype is TEXTS else str(tensor.dtype)
        raise Refusal("unsupported", f"output '{name}' is {what}, which wasi:nn cannot pass", "cast it in the model")
    return tensor
