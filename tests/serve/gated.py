"""Real models behind a gate: a test holds their inferences and lets them go."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from weft.core.model import Model, ModelInfo, ModelOptions
from weft.core.tensor import Tensor
from weft.nn.service import ModelService

PATIENCE_S = 20.0


class GatedModel:
    """A model whose inferences wait while its gate is closed. ``entered`` counts those that came to the gate."""

    def __init__(self, model: Model, gate: threading.Event, entered: threading.Semaphore) -> None:
        self._model = model
        self._gate = gate
        self._entered = entered
        self.given: list[dict[str, tuple[int, ...]]] = []

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    def infer(self, inputs: Mapping[str, Tensor], outputs: Sequence[str] | None = None) -> dict[str, Tensor]:
        self.given.append({name: tensor.shape for name, tensor in inputs.items()})
        self._entered.release()
        assert self._gate.wait(PATIENCE_S)
        return self._model.infer(inputs, outputs)


class GatedProvider(ModelService):
    """Loads models that stand behind one gate, open at first."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.models: list[GatedModel] = []

    def load(self, path: Path, options: ModelOptions = ModelOptions()) -> GatedModel:  # type: ignore[override]
        self.models.append(GatedModel(super().load(path, options), self.gate, self.entered))
        return self.models[-1]

    def close_gate(self) -> None:
        """Hold what comes from now on."""
        while self.entered.acquire(blocking=False):  # those of warming up
            pass
        self.gate.clear()

    def wait_entered(self, count: int = 1) -> None:
        """Wait until some inferences stand at the gate."""
        for _ in range(count):
            assert self.entered.acquire(timeout=PATIENCE_S)
