"""``wasi_ephemeral_nn``: inference for core modules (wasi-nn, witx form, with what WasmEdge's guests add).

Spec: https://github.com/WebAssembly/wasi-nn. A guest names a model it was granted, or brings its bytes where
``nn.load`` is granted; it never names a path.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from weft.core.dtypes import BYTES
from weft.core.model import Model, ModelOptions, Port
from weft.core.tensor import Tensor
from weft.wasm.guard import Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.host.nn_grants import BY_NAME, GRANT, OWN_MODEL, check_own_model, granted_model
from weft.wasm.host.nn_held import bytes_of, check_held
from weft.wasm.host.nn_ports import port_at, port_named
from weft.wasm.host.nn_tensors import read_tensor, tensor_words

if TYPE_CHECKING:
    from weft.wasm.instance import Instance
    from weft.wasm.trace_words import Words

MAX_PARTS = 8
"""Byte buffers one model may come in; OpenVINO IR has two."""

_BUILDER = struct.Struct("<II")
_DEVICES = {0: "cpu", 1: "cuda", 2: "npu", 3: "cpu"}
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A model a guest loaded; ``nbytes`` is what it brought for it."""

    model: Model
    nbytes: int = 0


@dataclass(slots=True)
class Context:
    """One execution context: a graph, the inputs set so far and the outputs of the last inference."""

    graph: Graph
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] | None = None

    @property
    def model(self) -> Model:
        """The graph's."""
        return self.graph.model


class WasiNN(HostModule):
    """wasi-nn. Functions return 0, or the errno of the specification."""

    name = "wasi_ephemeral_nn"
    grant = GRANT
    words: ClassVar[Mapping[str, Words]] = {"tensor_ptr": tensor_words}
    errno: ClassVar[dict[Kind, int]] = {
        "invalid": 1,
        "encoding": 2,
        "busy": 4,
        "failed": 5,
        "unsupported": 6,
        "too_small": 7,
        "too_large": 7,
        "not_found": 8,
        "denied": 8,
    }

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """A model by name, or its own."""
        named = any(name.startswith("load_by_name") for name in functions)
        return (BY_NAME,) * named + (OWN_MODEL,) * ("load" in functions)

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._graphs: dict[int, Graph] = {}
        self._contexts: dict[int, Context] = {}
        self._next_graph = 0
        self._next_context = 0

    def close(self) -> None:
        """Let go of every model and tensor."""
        self._graphs.clear()
        self._contexts.clear()

    # --- graphs ------------------------------------------------------------------------

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def load(self, parts_ptr: int, count: int, _encoding: int, target: int, graph_out: int) -> None:
        """Load a model from the guest's own bytes. The encoding is a hint; the bytes say what they are."""
        check_own_model(self.instance)
        if not 0 < count <= MAX_PARTS:
            raise Refusal("invalid", f"a model in {count} parts; 1 to {MAX_PARTS}")
        if target not in _DEVICES:
            raise Refusal("invalid", f"no target {target}; 0 cpu, 1 gpu, 2 tpu, 3 auto")
        builders = [self.memory.unpack(_BUILDER, parts_ptr + index * _BUILDER.size) for index in range(count)]
        nbytes = sum(length for _, length in builders)
        check_held(self.instance, self._held() + nbytes)  # parts may overlap, and be more than its memory
        parts = [self.memory.read(ptr, length) for ptr, length in builders]
        options = ModelOptions(device=_DEVICES[target])
        load_bytes = self.instance.settings.services.models.load_bytes
        self._add_graph(lambda: Graph(load_bytes(parts, options), nbytes), graph_out)

    @exported("(i32 i32 i32) -> (i32)")
    def load_by_name(self, name_ptr: int, name_len: int, graph_out: int) -> None:
        """A granted model, which the host has loaded already."""
        name = self.memory.text(name_ptr, name_len)
        self._add_graph(lambda: Graph(granted_model(self.instance, name)), graph_out)

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def load_by_name_with_config(
        self, name_ptr: int, name_len: int, config_ptr: int, config_len: int, graph_out: int
    ) -> None:
        """As load_by_name; the config must be JSON. Engine and device are the operator's choice, not the guest's."""
        config = self.memory.text(config_ptr, config_len)
        try:
            json.loads(config or "{}")
        except (ValueError, RecursionError):
            raise Refusal("invalid", "the config is not JSON") from None
        self.load_by_name(name_ptr, name_len, graph_out)

    @exported("(i32) -> (i32)")
    def unload(self, graph: int) -> None:
        """Forget a graph; its contexts live on."""
        _get(self._graphs, graph, "graph")
        del self._graphs[graph]

    # --- contexts ----------------------------------------------------------------------

    @exported("(i32 i32) -> (i32)")
    def init_execution_context(self, graph: int, context_out: int) -> None:
        """A context for a graph."""
        of = _get(self._graphs, graph, "graph")
        self._check_handles()
        self.memory.write_u32(context_out, self._next_context)
        self._contexts[self._next_context] = Context(of)
        self._next_context += 1

    @exported("(i32) -> (i32)")
    def finalize_execution_context(self, context: int) -> None:
        """Forget a context."""
        _get(self._contexts, context, "context")
        del self._contexts[context]

    @exported("(i32 i32 i32) -> (i32)")
    def set_input(self, context: int, index: int, tensor_ptr: int) -> None:
        """Set an input by its number."""
        state = _get(self._contexts, context, "context")
        self._set(state, port_at(state.model.info.inputs, index, "input"), tensor_ptr)

    @exported("(i32 i32 i32 i32) -> (i32)")
    def set_input_by_string(self, context: int, name_ptr: int, name_len: int, tensor_ptr: int) -> None:
        """Set an input by its name."""
        state = _get(self._contexts, context, "context")
        self._set(state, port_named(state.model.info.inputs, self.memory.text(name_ptr, name_len), "input"), tensor_ptr)

    @exported("(i32) -> (i32)")
    def compute(self, context: int) -> None:
        """Run the model on the inputs that were set."""
        state = _get(self._contexts, context, "context")
        state.outputs = None
        state.outputs = state.model.infer(state.inputs)

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def get_output(self, context: int, index: int, ptr: int, capacity: int, written_out: int) -> None:
        """Copy an output by its number; too small a buffer gets the size and 7."""
        state = _get(self._contexts, context, "context")
        self._give(state, port_at(state.model.info.outputs, index, "output"), ptr, capacity, written_out)

    @exported("(i32 i32 i32 i32 i32 i32) -> (i32)")
    def get_output_by_string(
        self, context: int, name_ptr: int, name_len: int, ptr: int, capacity: int, written_out: int
    ) -> None:
        """Copy an output by its name."""
        state = _get(self._contexts, context, "context")
        port = port_named(state.model.info.outputs, self.memory.text(name_ptr, name_len), "output")
        self._give(state, port, ptr, capacity, written_out)

    # The "single" forms are for models that answer piece by piece; one inference is one piece.

    @exported("(i32) -> (i32)")
    def compute_single(self, context: int) -> None:
        """As compute."""
        self.compute(context)

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def get_output_single(self, context: int, index: int, ptr: int, capacity: int, written_out: int) -> None:
        """As get_output."""
        self.get_output(context, index, ptr, capacity, written_out)

    @exported("(i32) -> (i32)")
    def fini_single(self, context: int) -> None:
        """Forget the last outputs."""
        _get(self._contexts, context, "context").outputs = None

    # --- for WAMR's form of it ---------------------------------------------------------

    def input_of(self, context: int, index: int) -> tuple[Context, Port]:
        """A context and one of its inputs. Raises Refusal."""
        state = _get(self._contexts, context, "context")
        return state, port_at(state.model.info.inputs, index, "input")

    def keep_input(self, state: Context, port: Port, tensor: Tensor) -> None:
        """Set an input of a context. Raises Refusal where the host would hold too much for this guest."""
        replaced = state.inputs.get(port.name)
        check_held(self.instance, self._held() + tensor.nbytes - (replaced.nbytes if replaced else 0))
        state.inputs[port.name] = tensor

    def output_of(self, context: int, index: int) -> tuple[Context, Port, Tensor]:
        """A context, one of its outputs and its value. Raises Refusal before compute succeeded."""
        state = _get(self._contexts, context, "context")
        port = port_at(state.model.info.outputs, index, "output")
        if state.outputs is None:
            raise Refusal("failed", "an output is asked for before compute succeeded")
        return state, port, state.outputs[port.name]

    # --- helpers -----------------------------------------------------------------------

    def _add_graph(self, load: Callable[[], Graph], graph_out: int) -> None:
        self._check_handles()
        self.memory.view(graph_out, 4)  # a bad pointer must not cost a load
        graph = load()
        self.memory.write_u32(graph_out, self._next_graph)
        self._graphs[self._next_graph] = graph
        self._next_graph += 1

    def _check_handles(self) -> None:
        limit = self.instance.settings.limits.handles
        if len(self._graphs) + len(self._contexts) >= limit:
            raise Refusal("too_large", f"{limit} graphs and contexts are open, which is limits.handles; close some")

    def _set(self, state: Context, port: Port, tensor_ptr: int) -> None:
        last = state.inputs.get(port.name)
        tensor = read_tensor(self.memory, tensor_ptr, port, state.model.info.layout, last)
        if tensor is not last:
            self.keep_input(state, port, tensor)

    def _held(self) -> int:
        """Bytes of the models it brought, those of contexts included whose graph is gone, and of all inputs."""
        contexts = self._contexts.values()
        graphs = {*self._graphs.values(), *(context.graph for context in contexts)}
        inputs = sum(bytes_of(context.inputs.values()) for context in contexts)
        return sum(graph.nbytes for graph in graphs) + inputs

    def _give(self, state: Context, port: Port, ptr: int, capacity: int, written_out: int) -> None:
        if state.outputs is None:
            raise Refusal("failed", "an output is asked for before compute succeeded")
        if port.dtype is BYTES:
            raise Refusal("unsupported", f"output '{port.name}' is texts, which wasi-nn cannot pass")
        data = state.outputs[port.name].bytes_view()
        self.memory.write_u32(written_out, data.size)
        if data.size > capacity & 0xFFFFFFFF:
            raise Refusal(
                "too_small", f"output '{port.name}' has {data.size} bytes, the buffer {capacity & 0xFFFFFFFF}"
            )
        self.memory.write(ptr, data)


def _get(table: dict[int, Item], handle: int, what: str) -> Item:
    try:
        return table[handle]
    except KeyError:
        raise Refusal("invalid", f"no {what} {handle}") from None
