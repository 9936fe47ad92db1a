"""The frame's picture as guests ask for it, whatever interface they ask through: checked sizes, pixels and tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from weft.core.dtypes import F32, DType
from weft.core.model import Layout
from weft.core.picture import Picture, PixelFormat
from weft.wasm.guard import Refusal

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

MAX_SIDE = 16384
"""Pixels; the largest width or height a guest may ask for."""

FORMATS = ("rgb8", "bgr8", "gray8", "rgb32f")
"""Pixel formats, by the numbers guests use."""

RGB32F = 3
_PIXEL_BYTES = (3, 3, 1, 12)

Out = np.ndarray[Any, np.dtype[np.uint8]]
Triple = tuple[float, float, float]


def picture_of(instance: Instance) -> Picture:
    """The picture the frame shows; nothing is decoded yet. Raises MediaError when it shows none."""
    return instance.settings.services.picture_of(instance.frame)


def pixels_size(width: int, height: int, pixel_format: int) -> int:
    """Bytes of a picture of this size and format. Raises Refusal ("invalid")."""
    if not 0 <= pixel_format < len(FORMATS):
        raise Refusal("invalid", f"no pixel format {pixel_format}; 0 RGB8, 1 BGR8, 2 GRAY8, 3 RGB32F")
    return _area(width, height) * _PIXEL_BYTES[pixel_format]


def tensor_size(width: int, height: int, dtype: DType) -> int:
    """Bytes of a picture of this size as a tensor of three channels. Raises Refusal ("invalid")."""
    return _area(width, height) * 3 * dtype.itemsize


def fill_pixels(instance: Instance, width: int, height: int, pixel_format: int, out: Out) -> None:
    """Write the picture, resized, into ``out``, which has the size of :func:`pixels_size`. Raises MediaError."""
    picture = picture_of(instance)
    if pixel_format == RGB32F:
        instance.settings.services.fill_tensor(picture, width, height, "nhwc", F32, None, None, out)
    else:
        out[:] = picture.pixels(width, height, PixelFormat(pixel_format)).reshape(-1)


def fill_tensor(
    instance: Instance,
    width: int,
    height: int,
    layout: Layout,
    dtype: DType,
    mean: Triple | None,
    std: Triple | None,
    out: Out,
) -> None:
    """Write the picture as a model's input into ``out``, which has the size of :func:`tensor_size`.

    Raises MediaError, and Refusal ("invalid") for a standard deviation nothing can be divided by.
    """
    if std and not all(math.isfinite(value) and value for value in std):
        raise Refusal("invalid", f"a standard deviation of {std}")
    instance.settings.services.fill_tensor(picture_of(instance), width, height, layout, dtype, mean, std, out)


def _area(width: int, height: int) -> int:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise Refusal("invalid", f"a picture of {width} x {height}; sides are 1 to {MAX_SIDE}")
    return width * height
