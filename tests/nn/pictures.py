"""Pre- and post-processing of the reference models, as their makers describe it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
Array = np.ndarray
_FACE_SIZES = ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))
_FACE_STRIDES = (8, 16, 32, 64)


def rgb(path: Path, width: int, height: int) -> Array:
    """u8 [height, width, 3], the whole picture resized."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def imagenet(path: Path) -> Array:
    """f32 [1, 3, 224, 224], as ImageNet classifiers want it."""
    pixels = rgb(path, 224, 224).astype(np.float32) / 255
    return ((pixels - MEAN) / DEVIATION).transpose(2, 0, 1)[None]


def softmax(logits: Array) -> Array:
    spread = np.exp(logits - logits.max())
    return spread / spread.sum()


def faces(scores: Array, boxes: Array, threshold: float = 0.7, overlap: float = 0.3) -> Array:
    """Boxes [n, 5] (x1, y1, x2, y2, score; corners relative) after suppression, the strongest first."""
    found = np.concatenate([boxes[0], scores[0, :, 1:]], axis=1)
    found = found[found[:, 4] > threshold]
    found = found[np.argsort(-found[:, 4])]
    kept: list[Array] = []
    for row in found:
        if all(_overlap(row, other) <= overlap for other in kept):
            kept.append(row)
    return np.array(kept)


def face_boxes(raw: Array) -> Array:
    """Corners from the raw head [1, 4420, 4]: offsets against the detector's grid of priors at 320 × 240."""
    priors = _priors()
    centre = raw[0, :, :2] * 0.1 * priors[:, 2:] + priors[:, :2]
    size = np.exp(raw[0, :, 2:] * 0.2) * priors[:, 2:]
    return np.concatenate([centre - size / 2, centre + size / 2], axis=1)[None]


def _priors() -> Array:
    rows = []
    for sizes, stride in zip(_FACE_SIZES, _FACE_STRIDES, strict=True):
        across, down = int(np.ceil(320 / stride)), int(np.ceil(240 / stride))
        for y in range(down):
            for x in range(across):
                centre = ((x + 0.5) / (320 / stride), (y + 0.5) / (240 / stride))
                rows += [(*centre, size / 320, size / 240) for size in sizes]
    return np.clip(np.array(rows, np.float32), 0, 1)


def _overlap(one: Array, other: Array) -> float:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:4], other[2:4])
    shared = np.prod(np.clip(high - low, 0, None))
    return float(shared / (np.prod(one[2:4] - one[:2]) + np.prod(other[2:4] - other[:2]) - shared))
