"""LiteRT (TensorFlow Lite): TFLite models on the CPU.

An interpreter serves one thread at a time, so a model has a pool of them: as many as fill the cores, each made
when it is first needed. Callers beyond that wait for a free one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weft.core.dtypes import BF16, BYTES, DTYPES, DType
from weft.core.errors import ModelError
from weft.core.model import Port
from weft.core.tensor import Array, Tensor
from weft.nn.backend import Session, Target, usable_cores
from weft.nn.engine import Engine
from weft.nn.pool import Pool
from weft.nn.ports import require_dtype, unique
from weft.nn.quiet import without_lines
from weft.nn.reason import reason
from weft.nn.source import Source

_DTYPES: Mapping[str, DType] = {
    **{row.numpy.name: row for row in DTYPES if row not in (BF16, BYTES)},
    "bfloat16": BF16,
    "bytes_": BYTES,
}
_ERRORS = (ValueError, RuntimeError, TypeError)
_GREETING = re.compile(rb"INFO: Created TensorFlow Lite XNNPACK delegate for CPU")
ENGINE = Engine(
    name="litert",
    module="ai_edge_litert.interpreter",
    distributions=("ai-edge-litert",),
    install="pip install 'weft[litert]'",
    formats=frozenset({"tflite"}),
)


class LiteRt:
    """The LiteRT engine."""

    engine = ENGINE

    def devices(self) -> tuple[str, ...]:
        """The CPU; the package's Python interpreter drives nothing else by itself."""
        return ("cpu",)

    def precisions(self, device: str) -> tuple[str, ...]:
        """f32. Quantised layers are computed as they are, in integers."""
        return ("f32",)

    def open(self, source: Source, target: Target) -> Session:
        """Load a TFLite model."""
        return LiteRtSession(source, target)


BACKEND = LiteRt()


class LiteRtSession:
    """One model in LiteRT."""

    def __init__(self, source: Source, target: Target) -> None:
        # Read, not mapped: a mapped file that somebody shortens ends the process.
        content, threads = source.content(), target.threads
        first = _Interpreter(content, threads)
        self._where = source.where
        self.inputs = tuple(_ports(first.inputs, "input", source.where))
        self.outputs = tuple(_ports(first.outputs, "output", source.where))
        limit = max(1, usable_cores() // threads)
        self._pool = Pool(lambda: _Interpreter(content, threads), limit, first)
        self.notes = {"concurrency": f"{limit} at a time"}

    def run(self, feeds: Sequence[Tensor], wanted: Sequence[int]) -> list[Tensor]:
        """One inference on an interpreter of the pool."""
        try:
            with self._pool.use() as interpreter:
                arrays = interpreter.run(feeds, wanted)
        except _ERRORS as error:
            cure = "check the input shapes, and the model with its maker's tools"
            raise ModelError(f"LiteRT failed: {reason(error)}", where=self._where, cure=cure) from error
        return [_tensor(array, self.outputs[at].dtype) for array, at in zip(arrays, wanted, strict=True)]


class _Interpreter:
    """One interpreter, with the shapes it is allocated for."""

    def __init__(self, content: bytes, threads: int) -> None:
        self._engine = _open(content, threads)
        self.inputs = self._engine.get_input_details()
        self.outputs = self._engine.get_output_details()
        self._shapes = [tuple(row["shape"].tolist()) for row in self.inputs]
        self._slots = [(row["index"], row["dtype"]) for row in self.inputs]
        self._results = [row["index"] for row in self.outputs]

    def run(self, feeds: Sequence[Tensor], wanted: Sequence[int]) -> list[Array]:
        """One inference: an array of its own for each of the ``wanted`` outputs, by their places.

        The inputs are in the model's order, of any shapes it can be allocated for; others raise LiteRT's own errors.
        """
        shapes = [tensor.array.shape for tensor in feeds]
        if shapes != self._shapes:
            self._resize(shapes)
        engine = self._engine
        for (slot, dtype), tensor in zip(self._slots, feeds, strict=True):
            engine.set_tensor(slot, tensor.array.view(dtype) if tensor.dtype is BF16 else tensor.array)
        engine.invoke()
        return [engine.get_tensor(self._results[at]) for at in wanted]

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        for (slot, _), shape in zip(self._slots, shapes, strict=True):
            self._engine.resize_tensor_input(slot, shape)
        self._engine.allocate_tensors()
        self._shapes = shapes


def _open(content: bytes, threads: int) -> Any:
    try:
        engine = ENGINE.start().Interpreter(model_content=content, num_threads=threads)
        _allocate(engine)
    except _ERRORS as error:
        raise ModelError(f"LiteRT cannot load it: {reason(error)}", cure=_cure(str(error))) from error
    return engine


_greeted = False


def _allocate(engine: Any) -> None:
    """Allocates; the first time in a process LiteRT greets on stderr."""
    global _greeted  # noqa: PLW0603 - the greeting is once per process, so is this
    if _greeted:
        engine.allocate_tensors()
        return
    with without_lines(_GREETING):
        engine.allocate_tensors()
    _greeted = True


def _cure(message: str) -> str:
    if "Flatbuffer" in message:
        return "the file is truncated or damaged: fetch or export it again"
    if "custom op" in message or "Select TensorFlow op" in message:
        return "convert the model with built-in operators only, or try engine: openvino"
    return "check the model with its maker's tools, or try engine: openvino"


def _ports(details: Sequence[Mapping[str, Any]], kind: str, where: str) -> list[Port]:
    names = unique([row["name"] for row in details], kind)
    return [_port(name, row, where) for name, row in zip(names, details, strict=True)]


def _port(name: str, row: Mapping[str, Any], where: str) -> Port:
    dtype = require_dtype(_DTYPES, row["dtype"].__name__, name, "LiteRT", where)
    dims = row["shape_signature"].tolist() if len(row["shape_signature"]) else row["shape"].tolist()
    scale, zero_point = row["quantization"]
    quantization = (float(scale), int(zero_point)) if scale else None
    return Port(name, dtype, tuple(None if dim < 0 else dim for dim in dims), quantization)


def _tensor(array: Any, dtype: DType) -> Tensor:
    return Tensor(array.view(np.uint16) if dtype is BF16 else array, dtype)
