"""The code people write by hand: PyAV, numpy and onnxruntime, without a sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def best_labels(logits: np.ndarray[Any, Any], labels: list[str], top: int) -> str:
    """The top labels as the guest writes them."""
    scores = np.exp(logits - logits.max())
    scores /= scores.sum()
    best = np.argsort(scores)[::-1][:top]
    named = [{"label": labels[i], "score": round(float(scores[i]), 4), "index": int(i)} for i in best]
    return json.dumps({"labels": named}, separators=(",", ":"))


def video_loop(video: Path, model: Path, labels: list[str], out: Path) -> int:
    """Decode, resize, normalise, infer, write a JSON line; one frame after the other. Returns the frames."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    count = 0
    with av.open(str(video)) as container, out.open("w") as lines:
        for frame in container.decode(video=0):
            rgb = frame.reformat(224, 224, "rgb24").to_ndarray()
            tensor = ((rgb.transpose(2, 0, 1).astype(np.float32) / 255 - MEAN) / STD)[None]
            logits = session.run(None, {name: tensor})[0][0]
            lines.write(best_labels(logits, labels, 1) + "\n")
            count += 1
    return count
