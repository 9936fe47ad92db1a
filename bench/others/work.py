"""What all of them do with a request: the same model, threads and preparation of pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

Array = np.ndarray[Any, Any]

SHAPE = (1, 3, 224, 224)
TOP = 5
_MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
_STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


class Classifier:
    """MobileNetV2 in onnxruntime, and the names of its classes."""

    def __init__(self, model: str, labels: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._labels = Path(labels).read_text().splitlines()

    def scores(self, pixels: Array) -> Array:
        """float32[1, 1000] of float32[1, 3, 224, 224]."""
        found: Array = self._session.run(None, {self._input: pixels})[0]
        return found

    def scores_of_bytes(self, body: bytes) -> bytes:
        """The scores as bytes, of a tensor as bytes."""
        return self.scores(np.frombuffer(body, np.float32).reshape(SHAPE)).tobytes()

    def matches(self, picture: bytes) -> list[dict[str, Any]]:
        """The best classes of a JPEG."""
        logits = self.scores(_pixels(picture))[0]
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = np.argsort(-chances)[:TOP].tolist()
        return [{"label": self._labels[at], "probability": float(chances[at])} for at in best]


def _pixels(picture: bytes) -> Array:
    opened = Image.open(io.BytesIO(picture)).convert("RGB").resize(SHAPE[2:], Image.Resampling.BILINEAR)
    values = np.asarray(opened, np.float32).transpose(2, 0, 1) / 255
    return ((values - _MEAN) / _STD)[np.newaxis]
