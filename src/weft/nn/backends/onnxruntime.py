"""onnxruntime: ONNX models, on the CPU and on NVIDIA GPUs (package onnxruntime-gpu).

A session runs concurrently from any number of threads; its own threads are shared by all of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from weft.core import dtypes as dt
from weft.core.dtypes import BF16, BYTES, DType
from weft.core.errors import ModelError, TensorError, UnavailableError
from weft.core.model import Port
from weft.core.tensor import Array, Tensor
from weft.nn.backend import Session, Target, device_index, device_kind
from weft.nn.engine import Engine
from weft.nn.onnx_header import unranked
from weft.nn.ports import require_dtype
from weft.nn.reason import reason
from weft.nn.source import Source

# Providers by Weft's device name. The CPU always stands behind a GPU for operators that only it has.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_PRECISIONS = {"cpu": ("f32",), "cuda": ("f32", "tf32")}
_FATAL_ONLY = 4
# A thread that waits for its next share of an inference spins this long and then sleeps, and between inferences
# none spins: left alone, onnxruntime's idle threads keep the core that decoding, the guest or the next model needs.
# Measured on two cores with MobileNetV2: alone 7.1 ms against 9.3 without spinning and 7.7 as onnxruntime comes, in a
# video pipeline 94, 92 and 78 frames a second, and on a busy machine twice the frames of unlimited spinning.
_SPINNING = {
    "session.intra_op.spin_duration_us": "50",
    "session.force_spinning_stop": "1",
}
_ONNX_BF16 = 16
_DTYPES: Mapping[str, DType] = {
    "bool": dt.BOOL,
    "uint8": dt.U8,
    "uint16": dt.U16,
    "uint32": dt.U32,
    "uint64": dt.U64,
    "int8": dt.I8,
    "int16": dt.I16,
    "int32": dt.I32,
    "int64": dt.I64,
    "float16": dt.F16,
    "bfloat16": dt.BF16,
    "float": dt.F32,
    "double": dt.F64,
    "string": dt.BYTES,
}
ENGINE = Engine(
    name="onnxruntime",
    module="onnxruntime",
    distributions=("onnxruntime", "onnxruntime-gpu"),
    install="pip install onnxruntime",
    formats=frozenset({"onnx"}),
    silence="ORT_DISABLE_TELEMETRY",  # since 1.29 it reports every session with the model's name and hashes
)


class OnnxRuntime:
    """The onnxruntime engine."""

    engine = ENGINE

    def devices(self) -> tuple[str, ...]:
        """Devices by the execution providers that this build of onnxruntime carries."""
        present = set(ENGINE.start().get_available_providers())
        return tuple(device for device, provider in PROVIDERS.items() if provider in present)

    def precisions(self, device: str) -> tuple[str, ...]:
        """f32; on a GPU also tf32, which onnxruntime would otherwise take unasked."""
        return _PRECISIONS.get(device_kind(device), ("f32",))

    def open(self, source: Source, target: Target) -> Session:
        """Load an ONNX model; UnavailableError where it would not run on the device that was asked for."""
        ort = ENGINE.start()
        content = str(source.path) if source.path else source.parts[0]
        try:
            engine = ort.InferenceSession(content, session_options(target), [_provider(target)], enable_fallback=0)
        except _errors() as error:
            cure = "check the model with its maker's tools, or try engine: openvino"
            raise ModelError(f"onnxruntime cannot load it: {reason(error)}", where=source.where, cure=cure) from error
        _check_provider(engine.get_providers(), target)
        return OnnxSession(engine, source)


BACKEND = OnnxRuntime()


class OnnxSession:
    """One model in onnxruntime."""

    def __init__(self, engine: Any, source: Source) -> None:
        self.notes: dict[str, str] = {}
        self._engine = engine
        self._where = source.where
        outputs = [value for value in engine.get_outputs() if value.type.startswith("tensor(")]
        self.inputs = tuple(_ports(engine.get_inputs(), source))
        self.outputs = tuple(_ports(outputs, source))
        self._note_left_out(engine)
        self._names = [port.name for port in self.inputs]
        self._raw = any(port.dtype is BF16 for port in (*self.inputs, *self.outputs))
        self._text = any(port.dtype is BYTES for port in self.inputs)

    def _note_left_out(self, engine: Any) -> None:
        left = [f"{value.name}: {value.type}" for value in engine.get_outputs() if not value.type.startswith("tensor(")]
        if left and not self.outputs:
            raise ModelError("no output is a tensor", where=self._where, cure="export it without ZipMap or sequences")
        if left:
            self.notes["left out"] = f"outputs that are no tensors ({', '.join(left)})"

    def run(self, feeds: Sequence[Tensor], wanted: Sequence[int]) -> list[Tensor]:
        """One inference, on the arrays as they lie in the caller's memory."""
        ports = [self.outputs[at] for at in wanted]
        names = [port.name for port in ports]
        try:
            if self._raw:
                return self._run_raw(feeds, names)
            arrays = [_as_text(tensor) for tensor in feeds] if self._text else [tensor.array for tensor in feeds]
            results = self._engine.run(names, dict(zip(self._names, arrays, strict=True)))
        except _errors() as error:
            raise self._failed(error) from error
        return [Tensor(array, port.dtype) for array, port in zip(results, ports, strict=True)]

    def _run_raw(self, feeds: Sequence[Tensor], names: list[str]) -> list[Tensor]:
        """As ``run``, through OrtValues: numpy has no bf16 to pass or receive."""
        given = {name: _ort_value(tensor) for name, tensor in zip(self._names, feeds, strict=True)}
        return [_from_ort(value) for value in self._engine.run_with_ort_values(names, given)]

    def _failed(self, error: BaseException) -> TensorError | ModelError:
        what = f"onnxruntime failed: {reason(error)}"
        if type(error).__name__ == "InvalidArgument":
            return TensorError(what, where=self._where, cure="give the shapes the model was made for")
        return ModelError(what, where=self._where, cure="check the inputs, and the model with its maker's tools")


def session_options(target: Target) -> Any:
    """How onnxruntime is set up for a target."""
    ort = ENGINE.start()
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL_ONLY  # every error is raised as well; the rest is advice to exporters
    options.intra_op_num_threads = target.threads
    options.inter_op_num_threads = 1
    for key, value in _SPINNING.items():
        options.add_session_config_entry(key, value)
    return options


def _provider(target: Target) -> str | tuple[str, dict[str, Any]]:
    ort = ENGINE.start()
    kind = device_kind(target.device)
    if kind == "cpu":
        return PROVIDERS[kind]
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # finds CUDA and cuDNN where pip put them
    return PROVIDERS[kind], {"device_id": device_index(target.device), "use_tf32": int(target.precision == "tf32")}


def _check_provider(active: list[str], target: Target) -> None:
    wanted = PROVIDERS[device_kind(target.device)]
    if wanted in active[:1]:
        return
    what = f"onnxruntime could not start {target.device} and would run on {', '.join(active)}"
    raise UnavailableError(what, cure="check the GPU driver and that CUDA and cuDNN are installed, or device: cpu")


def _ports(values: Sequence[Any], source: Source) -> Iterator[Port]:
    # onnxruntime shows a scalar and a tensor of unknown rank alike; the file tells them apart.
    unknown = _unranked(source) if any(not value.shape for value in values) else frozenset()
    for value in values:
        kind = value.type.removeprefix("tensor(").rstrip(")")
        dtype = require_dtype(_DTYPES, kind, value.name, "onnxruntime", source.where)
        shape = tuple(dim if isinstance(dim, int) and dim >= 0 else None for dim in value.shape)
        yield Port(value.name, dtype, None if value.name in unknown else shape)


def _unranked(source: Source) -> frozenset[str]:
    with source.opened() as data:
        return unranked(data)


def _as_text(tensor: Tensor) -> Array:
    """Text tensors go in as ``str``: onnxruntime would take the repr of bytes."""
    if tensor.dtype is not BYTES:
        return tensor.array
    out = np.empty(tensor.array.shape, dtype=np.object_)
    try:
        out.reshape(-1)[:] = [item.decode() for item in tensor.array.flat]
    except UnicodeDecodeError as error:
        raise TensorError("a text tensor holds bytes that are not UTF-8", cure="encode the text as UTF-8") from error
    return out


def _ort_value(tensor: Tensor) -> Any:
    ort = ENGINE.start()
    if tensor.dtype is BF16:
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(tensor.array, _ONNX_BF16)
    return ort.OrtValue.ortvalue_from_numpy(_as_text(tensor))


def _from_ort(value: Any) -> Tensor:
    if value.element_type() != _ONNX_BF16:
        return Tensor(value.numpy())
    shape = tuple(value.shape())
    size = value.tensor_size_in_bytes()
    bits = np.frombuffer(bytearray(ctypes.string_at(value.data_ptr(), size)), np.uint16)
    return Tensor(bits.reshape(shape), BF16)


@cache
def _errors() -> tuple[type[BaseException], ...]:
    """Everything onnxruntime raises: its classes share no base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [item for item in vars(state).values() if isinstance(item, type) and issubclass(item, Exception)]
    return (*own, RuntimeError, ValueError, TypeError)
