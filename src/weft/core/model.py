"""What a model is to everyone but the engines: its ports, its options, and one call.

``weft.nn`` implements these; the sandbox and the servers only know what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from weft.core.dtypes import DType
from weft.core.tensor import Tensor

Layout = Literal["nhwc", "nchw"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its name, dtype and shape. ``None`` is a dimension only known at run time;
    a shape of None means that not even the rank is known. ``quantization`` is scale and zero point of a quantised
    tensor, ``(stored - zero point) * scale`` being its value, where the engine tells them."""

    name: str
    dtype: DType
    shape: tuple[int | None, ...] | None
    quantization: tuple[float, int] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        dims = "…" if self.shape is None else ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.name}: {self.dtype}[{dims}]"


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The stated choices of a model: nothing here is ever replaced silently.

    Attributes:
        engine: a backend's name, or "auto" to time the installed ones once and keep the winner.
            None takes the first installed backend that reads the format, in the documented order.
        device: "cpu", "cuda", "cuda:1", "gpu", "npu" … as the engine names it.
        precision: "f32" (default) or "bf16"/"f16" where the engine can compute in it.
        threads: threads of one inference; 0 is one per core this process may use.
        layout: what the data of picture inputs really is, for guests that say otherwise.
        outputs: tensors from inside the graph, by name, to have as outputs beside the model's own.
    """

    engine: str | None = None
    device: str = "cpu"
    precision: str = "f32"
    threads: int = 0
    layout: Layout | None = None
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a loaded model is and what runs it. ``layout`` is what its options say of picture data."""

    name: str
    format: str
    digest: str
    size: int
    engine: str
    engine_version: str
    device: str
    precision: str
    threads: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    notes: Mapping[str, str] = field(default_factory=dict)
    layout: Layout | None = None


class Model(Protocol):
    """A loaded model: shared between instances and safe to call from many threads at once."""

    @property
    def info(self) -> ModelInfo:
        """Ports, engine, device, size."""

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> dict[str, Tensor]:
        """One inference. ``inputs`` by port name, all of them; ``outputs`` names those wanted (None: all).

        The inputs are only read during the call; the outputs are owned by the caller.
        Raises TensorError for wrong names, dtypes or shapes and ModelError when the engine fails.
        """


class ModelProvider(Protocol):
    """Loads models once per process and shares them."""

    def load(self, path: Path, options: ModelOptions = ModelOptions()) -> Model:
        """The model in a file (or SavedModel directory). Raises NotFoundError, ModelError, UnavailableError."""

    def load_bytes(self, parts: Sequence[bytes], options: ModelOptions = ModelOptions()) -> Model:
        """The model in memory: one part, or two for OpenVINO IR (xml, bin)."""
