"""OpenVINO: ONNX, TFLite, TensorFlow graphs and its own IR, on Intel and ARM CPUs, GPUs and NPUs.

A model is compiled for as many parallel streams as fill the cores with the stated threads each; every stream has
an inference request, and callers beyond that wait for a free one. Inputs are copied into the request's own
memory: measured, that costs less than binding foreign memory to it, and nothing of the caller's is kept.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from weft.core import dtypes as dt
from weft.core.dtypes import BF16, DType
from weft.core.errors import ModelError, UnavailableError
from weft.core.model import Port
from weft.core.once import Once
from weft.core.tensor import Tensor
from weft.nn.backend import Session, Target, device_index, device_kind, usable_cores
from weft.nn.engine import Engine
from weft.nn.formats import Format
from weft.nn.pool import Pool
from weft.nn.ports import require_dtype, unique
from weft.nn.reason import reason
from weft.nn.source import Source

# No string here: OpenVINO 2026.4 frees a text tensor's memory twice, which ends the process.
_DTYPES: Mapping[str, DType] = {
    "boolean": dt.BOOL,
    **{row.name: row for row in (dt.U8, dt.U16, dt.U32, dt.U64, dt.I8, dt.I16, dt.I32, dt.I64)},
    **{row.name: row for row in (dt.F16, dt.BF16, dt.F32, dt.F64)},
}
_CAPABILITIES = {"FP32": "f32", "BF16": "bf16", "FP16": "f16"}
_ERRORS = (RuntimeError, ValueError, TypeError)
_RANKS_KEPT = 4
ENGINE = Engine(
    name="openvino",
    module="openvino",
    distributions=("openvino",),
    install="pip install 'weft[openvino]'",
    formats=frozenset({"openvino", "onnx", "tflite", "tensorflow", "savedmodel"}),
    without="openvino_telemetry",  # reports every import; OpenVINO brings a stub that takes its place
)


class OpenVino:
    """The OpenVINO engine."""

    engine = ENGINE

    def devices(self) -> tuple[str, ...]:
        """The devices OpenVINO's plugins find, as "cpu", "gpu" or "gpu:1", "npu"."""
        return tuple(name.lower().replace(".", ":") for name in _core().available_devices)

    def precisions(self, device: str) -> tuple[str, ...]:
        """f32, and what the device says it computes in natively."""
        able = _core().get_property(_device(device), "OPTIMIZATION_CAPABILITIES")
        return tuple(name for word, name in _CAPABILITIES.items() if word in able or name == "f32")

    def open(self, source: Source, target: Target) -> Session:
        """Load a model; UnavailableError where the device would compute in another precision."""
        try:
            graph = _read(source)
        except _ERRORS as error:
            cure = "it may be damaged: fetch or export it again"
            raise ModelError(f"OpenVINO cannot read it: {reason(error)}", where=source.where, cure=cure) from error
        _look_inside(graph, source, target)
        return OpenVinoSession(graph, source, target)


BACKEND = OpenVino()


class OpenVinoSession:
    """One model in OpenVINO."""

    def __init__(self, graph: Any, source: Source, target: Target) -> None:
        self._graph = graph
        self._where = source.where
        self._target = target
        self._lock = threading.Lock()
        self._by_rank: OrderedDict[tuple[int, ...], Pool[_Request]] = OrderedDict()
        self.inputs = tuple(_ports(graph.inputs, "input", source))
        self.outputs = tuple(_ports(graph.outputs, "output", source))
        streams = max(1, usable_cores() // target.threads)
        self.notes = {"concurrency": f"{streams} at a time"}
        self._requests: Pool[_Request] | None = None
        if all(port.shape is not None for port in self.inputs):
            self._requests = self._compile(graph)
        else:
            self.notes["compiled"] = "on first use: the rank of an input is not known before"

    def run(self, feeds: Sequence[Tensor], wanted: Sequence[int]) -> list[Tensor]:
        """One inference on a request of the pool."""
        requests = self._requests or self._for_ranks(tuple(len(tensor.array.shape) for tensor in feeds))
        try:
            with requests.use() as request:
                return request.run(feeds, [(at, self.outputs[at].dtype) for at in wanted])
        except _ERRORS as error:
            cure = "check the input shapes, and the model with its maker's tools"
            raise ModelError(f"OpenVINO failed: {reason(error)}", where=self._where, cure=cure) from error

    def _for_ranks(self, ranks: tuple[int, ...]) -> Pool[_Request]:
        """The requests of a graph whose inputs have no rank, compiled for these; the last four are kept."""
        with self._lock:
            if ranks not in self._by_rank:
                self._by_rank[ranks] = self._compile(self._ranked(ranks))
            self._by_rank.move_to_end(ranks)
            if len(self._by_rank) > _RANKS_KEPT:
                self._by_rank.popitem(last=False)
            return self._by_rank[ranks]

    def _ranked(self, ranks: tuple[int, ...]) -> Any:
        ov = ENGINE.start()
        graph = self._graph.clone()
        unknown = {at: rank for at, rank in enumerate(ranks) if self.inputs[at].shape is None}
        try:
            graph.reshape({at: ov.PartialShape([-1] * rank) for at, rank in unknown.items()})
        except _ERRORS as error:
            what = f"the graph does not take inputs of rank {list(ranks)}: {reason(error)}"
            raise ModelError(what, where=self._where, cure="give the rank the model was made for") from error
        return graph

    def _compile(self, graph: Any) -> Pool[_Request]:
        device = _device(self._target.device)
        try:
            compiled = _core().compile_model(graph, device, _config(self._target))
        except _ERRORS as error:
            what = f"OpenVINO cannot compile it: {reason(error)}"
            raise ModelError(what, where=self._where, cure="check the model with its maker's tools") from error
        _check_precision(compiled, self._target)
        limit = max(1, compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        return Pool(lambda: _Request(compiled), limit)


class _Request:
    """An inference request, with views of its own input memory where the shapes are static."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        count = len(compiled.inputs)
        self._views = [None if compiled.inputs[at].partial_shape.is_dynamic else self._view(at) for at in range(count)]

    def run(self, feeds: Sequence[Tensor], wanted: Sequence[tuple[int, DType]]) -> list[Tensor]:
        """One inference, its inputs in the model's order: a tensor for each ``wanted`` output, a place and a dtype."""
        for at, tensor in enumerate(feeds):
            view = self._views[at]
            if view is None:
                self._request.get_input_tensor(at).shape = tensor.array.shape
                view = self._view(at)
            view[...] = tensor.array
        self._request.infer(share_outputs=True)
        return [self._result(at, dtype) for at, dtype in wanted]

    def _view(self, at: int) -> Any:
        data = self._request.get_input_tensor(at).data
        return data.view(np.uint16) if str(data.dtype) == "float16" and self._is_bf16(at) else data

    def _is_bf16(self, at: int) -> bool:
        return bool(self._request.get_input_tensor(at).element_type.get_type_name() == "bf16")

    def _result(self, at: int, dtype: DType) -> Tensor:
        data = self._request.get_output_tensor(at).data
        return Tensor((data.view(np.uint16) if dtype is BF16 else data).copy(), dtype)


def _read(source: Source) -> Any:
    """The graph. OpenVINO tells TFLite by the name's end and reads TensorFlow from files only, so some get a file."""
    core = _core()
    if source.format in ("onnx", "openvino") and source.path is None:
        return core.read_model(*source.parts)
    if source.format == "openvino":
        return core.read_model(str(source.path), str(source.weights) if source.weights else "")
    if source.path and (source.format != "tflite" or source.path.suffix == ".tflite"):
        return core.read_model(str(source.path))
    with _named(source) as path:
        return core.read_model(path)


def _look_inside(graph: Any, source: Source, target: Target) -> None:
    """Make tensors from inside the graph outputs, where the target names some."""
    try:
        if target.outputs:
            graph.add_outputs(list(target.outputs))
    except _ERRORS as error:
        what = f"the graph has no tensor {' or '.join(target.outputs)}"
        raise ModelError(what, where=source.where, cure="look at the graph with its maker's tools") from error


@contextmanager
def _named(source: Source) -> Iterator[str]:
    """The model under a name OpenVINO knows: a link to its file, or its bytes in a file that is deleted after."""
    folder = tempfile.mkdtemp(prefix="weft-")
    try:
        path = Path(folder, "model.tflite" if source.format == "tflite" else "model.pb")
        if source.path:
            path.symlink_to(source.path.resolve())
        else:
            path.write_bytes(source.parts[0])
        yield str(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ports(values: Sequence[Any], kind: str, source: Source) -> Iterator[Port]:
    names = unique([_name(value, kind, source.format) for value in values], kind)
    for name, value in zip(names, values, strict=True):
        dtype = require_dtype(_DTYPES, value.element_type.get_type_name(), name, "OpenVINO", source.where)
        yield Port(name, dtype, _shape(value.partial_shape))


def _name(value: Any, kind: str, source_format: Format) -> str:
    """The port's name in the model's own words; TensorFlow's ``input:0`` is the node ``input``."""
    names = sorted(value.get_names(), key=lambda name: (len(name), name))
    node = value.node if kind == "input" else value.node.input_value(0).node
    name = str(names[0] if names else node.get_friendly_name())
    return name.removesuffix(":0") if source_format in ("tensorflow", "savedmodel") else name


def _shape(partial: Any) -> tuple[int | None, ...] | None:
    if partial.rank.is_dynamic:
        return None
    return tuple(None if dim.is_dynamic else dim.get_length() for dim in partial)


def _config(target: Target) -> dict[str, Any]:
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": target.precision}
    if device_kind(target.device) == "cpu":
        streams = max(1, usable_cores() // target.threads)
        config |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams * target.threads}
    return config


def _check_precision(compiled: Any, target: Target) -> None:
    got = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if got != target.precision:
        what = f"OpenVINO would compute in {got} on {target.device}, not in {target.precision}"
        raise UnavailableError(what, cure=f"precision: {got}")


def _device(device: str) -> str:
    kind, index = device_kind(device).upper(), device_index(device)
    return f"{kind}.{index}" if ":" in device else kind


@Once
def _core() -> Any:
    core = ENGINE.start().Core()
    core.set_property({"ENABLE_MMAP": False})  # a mapped file that somebody shortens ends the process
    return core
