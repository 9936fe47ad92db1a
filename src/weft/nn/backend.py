"""What an engine is to Weft, and which engines there are.

A backend is one file in ``weft.nn.backends`` with a ``BACKEND`` in it; it imports its engine when it is first used.
A model without a stated engine goes to the first installed one of its format's row:

========== ======================
onnx       onnxruntime, openvino
tflite     litert, openvino
tensorflow openvino
savedmodel openvino
openvino   openvino
========== ======================
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from weft.core.errors import UnavailableError, UsageError
from weft.core.model import ModelOptions, Port
from weft.core.suggest import did_you_mean
from weft.core.tensor import Tensor
from weft.nn.engine import Engine
from weft.nn.formats import Format
from weft.nn.source import Source

ORDER: Mapping[Format, tuple[str, ...]] = {
    "onnx": ("onnxruntime", "openvino"),
    "tflite": ("litert", "openvino"),
    "tensorflow": ("openvino",),
    "savedmodel": ("openvino",),
    "openvino": ("openvino",),
}
_MOST_THREADS = 1024
ENGINES = tuple(dict.fromkeys(name for row in ORDER.values() for name in row))


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how an engine shall run a model: every choice made, nothing left to the engine.

    Attributes:
        device: "cpu", "cuda", "cuda:1", "gpu" …
        precision: what floating-point layers compute in.
        threads: threads of one inference, at least 1.
        outputs: tensors from inside the graph to have as outputs, too.
    """

    device: str = "cpu"
    precision: str = "f32"
    threads: int = 1
    outputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, options: ModelOptions) -> Target:
        """The target of what a caller asked for; UsageError for a thread count nobody can mean."""
        if not 0 <= options.threads <= _MOST_THREADS:
            cure = f"0 for one per core, or a number up to {_MOST_THREADS}"
            raise UsageError(f"{options.threads} threads", cure=cure)
        threads = options.threads or usable_cores()
        return cls(options.device.lower(), options.precision.lower(), threads, options.outputs)


class Session(Protocol):
    """A model in an engine. Safe to call from many threads at once."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The input ports, in the model's order."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The output ports, in the model's order."""

    @property
    def notes(self) -> Mapping[str, str]:
        """What else a user should know about how the model runs."""

    def run(self, feeds: Sequence[Tensor], wanted: Sequence[int]) -> list[Tensor]:
        """One inference: a tensor per input, already checked against the ports; the wanted outputs by index.

        The outputs share no memory with the engine or the inputs. Raises ModelError when the engine fails.
        """


class Backend(Protocol):
    """An engine: what it reads, where it runs, and how it loads a model."""

    @property
    def engine(self) -> Engine:
        """What it is called and what it reads."""

    def devices(self) -> tuple[str, ...]:
        """The devices of this machine the engine can use; "cpu" is always one."""

    def precisions(self, device: str) -> tuple[str, ...]:
        """What floating-point layers can compute in on a device, "f32" first."""

    def open(self, source: Source, target: Target) -> Session:
        """Load a model. Raises ModelError, and UnavailableError when the target is not what would run."""


def backend(name: str) -> Backend:
    """The backend with a name; UnavailableError when there is none or its engine is not installed."""
    if name not in ENGINES:
        cure = did_you_mean(name, ENGINES) or f"one of {', '.join(ENGINES)}, auto"
        raise UnavailableError(f"no engine '{name}'", cure=cure)
    found = known(name)
    if not found.engine.installed():
        raise UnavailableError(f"engine '{name}' is not installed", cure=found.engine.install)
    return found


def readers(kind: Format) -> tuple[str, ...]:
    """The installed engines that read a format, the preferred one first."""
    return tuple(name for name in ORDER[kind] if known(name).engine.installed())


def known(name: str) -> Backend:
    """The backend with one of the names in ``ENGINES``, installed or not."""
    return cast(Backend, importlib.import_module(f"weft.nn.backends.{name}").BACKEND)


def preferred(kind: Format) -> str:
    """The engine a format goes to where none is stated; UnavailableError when none is installed."""
    if names := readers(kind):
        return names[0]
    first = known(ORDER[kind][0]).engine
    what = f"no installed engine reads {kind}; {', '.join(ORDER[kind])} would"
    raise UnavailableError(what, cure=first.install)


def check(found: Backend, source: Source, target: Target) -> None:
    """UnavailableError where an engine cannot read the format, or lacks the device or the precision."""
    if source.format not in found.engine.formats:
        names = readers(source.format) or ORDER[source.format]
        what = f"engine '{found.engine.name}' does not read {source.format}"
        raise UnavailableError(what, where=source.where, cure=f"engine: {' or '.join(names)}")
    if target.outputs and found.engine.name != "openvino":
        what = f"engine '{found.engine.name}' gives no tensors from inside a graph"
        raise UnavailableError(what, where=source.where, cure="engine: openvino")
    _check_device(found, target.device)
    precisions = found.precisions(target.device)
    if target.precision not in precisions:
        what = f"engine '{found.engine.name}' cannot compute in {target.precision} on {target.device} of this machine"
        raise UnavailableError(what, cure=f"precision: {' or '.join(precisions)}")


def _check_device(found: Backend, device: str) -> None:
    devices, kind = found.devices(), device_kind(device)
    if device in devices or device in map(device_kind, devices):
        return
    if kind in devices and kind != "cpu" and device_index(device) >= 0:
        return
    what = f"engine '{found.engine.name}' has no device '{device}' here; it has {', '.join(devices)}"
    cure = f"device: {devices[0]}"
    if kind == "cuda":
        cure += ", or on a machine with an NVIDIA GPU: pip install onnxruntime-gpu in place of onnxruntime"
    raise UnavailableError(what, cure=cure)


def device_kind(device: str) -> str:
    """ "cuda" of "cuda:1"."""
    return device.partition(":")[0]


def device_index(device: str) -> int:
    """1 of "cuda:1", 0 of "cuda"; UsageError for anything but a number."""
    _, colon, index = device.partition(":")
    if not colon:
        return 0
    if not index.isdecimal():
        raise UsageError(f"'{device}' is no device", cure="write it like cuda or cuda:1")
    return int(index)


def usable_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0))
