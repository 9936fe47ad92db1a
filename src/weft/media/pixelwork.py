"""Pixels in memory: resizing and changing the pixel format, in native code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weft.core.picture import PixelFormat, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[float, float, float, float]

# Pillow first shrinks by a whole factor where the reduction is large; at 3 the result is the same to the eye
# (and to MobileNet: no probability moves by 0.001).
_REDUCING_GAP = 3.0


def resized(pixels: Pixels, width: int, height: int, box: Box, pixel_format: PixelFormat) -> Pixels:
    """The part of ``pixels`` ([h, w, 3] RGB or [h, w] grey) inside ``box``, resized and converted.

    Bilinear, antialiased on reduction. ``box`` is left, top, right, bottom in pixels and need not be whole.
    """
    whole = box[:2] == (0, 0) and box[2:] == (width, height)
    if whole and pixels.shape[:2] == (height, width):
        return converted(pixels, pixel_format)
    from PIL import Image

    image = Image.fromarray(pixels)
    small = image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=_REDUCING_GAP)
    return _array(small, pixel_format)


def converted(pixels: Pixels, pixel_format: PixelFormat) -> Pixels:
    """``pixels`` ([h, w, 3] RGB or [h, w] grey) in another format; itself where it is that already."""
    grey = pixels.ndim == 2
    if grey == (pixel_format is PixelFormat.GRAY8) and pixel_format is not PixelFormat.BGR8:
        return pixels
    from PIL import Image

    return _array(Image.fromarray(pixels), pixel_format)


def _array(image: Image, pixel_format: PixelFormat) -> Pixels:
    width, height = image.size
    if pixel_format is PixelFormat.GRAY8:
        return np.frombuffer(image.convert("L").tobytes(), np.uint8).reshape(height, width)
    order = "BGR" if pixel_format is PixelFormat.BGR8 else "RGB"
    return np.frombuffer(image.convert("RGB").tobytes("raw", order), np.uint8).reshape(height, width, 3)
