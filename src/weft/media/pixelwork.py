"""Pixels in memory: resizing and changing the pixel format, in native code."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from weft.core.picture import PixelFormat, Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

# Pixels of the largest picture kept as scratch: 16 MiB for each thread that resizes stills.
_MAX_SCRATCH = 4 * 2**20

Box = tuple[float, float, float, float]


def resized(pixels: Pixels, width: int, height: int, box: Box, pixel_format: PixelFormat) -> Pixels:
    """The part of ``pixels`` ([h, w, 3] RGB or [h, w] grey) inside ``box``, resized and converted.

    Bilinear, antialiased on reduction. ``box`` is left, top, right, bottom in pixels and need not be whole.
    """
    whole = box[:2] == (0, 0) and box[2:] == (width, height)
    if whole and pixels.shape[:2] == (height, width):
        return converted(pixels, pixel_format)
    from PIL import Image

    small = _image(pixels).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return _array(small, pixel_format)


def converted(pixels: Pixels, pixel_format: PixelFormat) -> Pixels:
    """``pixels`` ([h, w, 3] RGB or [h, w] grey) in another format; itself where it is that already."""
    grey = pixels.ndim == 2
    if grey == (pixel_format is PixelFormat.GRAY8) and pixel_format is not PixelFormat.BGR8:
        return pixels
    return _array(_image(pixels), pixel_format)


class _Scratch(threading.local):
    """This thread's last large picture in Pillow's form, used again for the next one of its size.

    A fresh one would be fetched from the system page by page, which costs as much as the resize itself.
    """

    image: Image | None = None


_scratch = _Scratch()


def _image(pixels: Pixels) -> Image:
    """``pixels`` as a Pillow image, good until the next call on this thread."""
    from PIL import Image

    height, width = pixels.shape[:2]
    if pixels.ndim == 2 or width * height > _MAX_SCRATCH:
        return Image.fromarray(pixels)
    image = _scratch.image
    if image is None or image.size != (width, height):
        image = _scratch.image = Image.new("RGB", (width, height))
    image.frombytes(pixels)
    return image


def _array(image: Image, pixel_format: PixelFormat) -> Pixels:
    width, height = image.size
    if pixel_format is PixelFormat.GRAY8:
        return np.frombuffer(image.convert("L").tobytes(), np.uint8).reshape(height, width)
    order = "BGR" if pixel_format is PixelFormat.BGR8 else "RGB"
    return np.frombuffer(image.convert("RGB").tobytes("raw", order), np.uint8).reshape(height, width, 3)
