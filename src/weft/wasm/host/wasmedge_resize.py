"""The resize of WasmEdge's image functions, to the bit: models that were tuned on its pixels see the same ones.

Bilinear between aligned corners, source = i * (from - 1) / (to - 1), without antialiasing. The four products are
summed as 32-bit floats and cut, not rounded, to u8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.core.picture import Pixels

Floats = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.intp]]


def resize_aligned(pixels: Pixels, width: int, height: int) -> Pixels:
    """u8 [height, width, channels] from u8 [any, any, channels]."""
    above, below, down = _steps(pixels.shape[0], height)
    left, right, across = _steps(pixels.shape[1], width)
    down, across = down[:, None, None], across[None, :, None]
    total = _part(pixels, above, left, (1 - down) * (1 - across))
    total += _part(pixels, above, right, (1 - down) * across)
    total += _part(pixels, below, left, down * (1 - across))
    total += _part(pixels, below, right, down * across)
    return total.astype(np.uint8)


def _steps(source: int, target: int) -> tuple[Places, Places, Floats]:
    """For each target place: the source places before and after it, and how far it lies between them."""
    position = np.arange(target) * ((source - 1) / max(target - 1, 1))
    before = np.minimum(np.floor(position).astype(np.intp), source - 1)
    return before, np.minimum(before + 1, source - 1), position - before


def _part(pixels: Pixels, rows: Places, columns: Places, weight: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
    picked = pixels[rows[:, None], columns[None, :]]
    return np.multiply(picked, weight.astype(np.float32), dtype=np.float32)
