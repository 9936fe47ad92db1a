"""Where the pixels of a picture come from: the bytes of a file, or an array. (Video has its own module.)"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any, Protocol

import numpy as np

from weft.core.errors import MediaError
from weft.core.picture import PixelFormat, Pixels
from weft.media.headers import Header
from weft.media.orientation import UPRIGHT, Turn
from weft.media.pixelwork import resized

Planes = tuple[Pixels, Pixels, Pixels]

# libjpeg-turbo decodes to a half, a quarter and an eighth in less time than to the full size; the steps
# between (3/8, 5/8 …) take longer than the full size and are never used.
_JPEG_SCALES = (8, 4, 2)

# Scaled decoding leaves at least this many times the wanted size, so that the resize still does the
# antialiasing. At 1 the probabilities of MobileNetV2 and SqueezeNet move by up to 0.045, at 2 by up to 0.017.
_HEADROOM = 2

# What Pillow raises on damaged files, depending on the format and where the damage is.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


class Raster(Protocol):
    """Pixels as stored, before they are turned upright. Used under the picture's lock."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""

    @property
    def turn(self) -> Turn:
        """What makes the stored pixels upright."""

    @property
    def original(self) -> tuple[str, bytes] | None:
        """Media type and bytes of the file this was opened from, if it was."""

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        """As :meth:`weft.core.picture.Picture.pixels`, of the stored picture."""

    def planes(self, width: int, height: int) -> Planes:
        """Red, green and blue, each u8 [height, width]; the rows are contiguous or have a step of 3."""


class EncodedRaster:
    """The bytes of a picture file: decoded when first looked at, and again only when a larger scale is wanted.

    Alpha is dropped and 16-bit grey keeps its high byte; only the first picture of an animation is read.
    """

    def __init__(self, data: bytes, header: Header) -> None:
        self.size = (header.width, header.height)
        self.turn = header.turn
        self.original = (header.media_type, data)
        self._header = header
        self._data = data
        self._decoded: Pixels | None = None
        self._scale = 0

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        """As the protocol says; raises MediaError when the bytes do not decode."""
        self._decode(self._wanted_scale(width, height))
        assert self._decoded is not None
        box = (0, 0, self.size[0] / self._scale, self.size[1] / self._scale)
        return resized(self._decoded, width, height, box, pixel_format)

    def planes(self, width: int, height: int) -> Planes:
        """As the protocol says; raises MediaError when the bytes do not decode."""
        return split(self.pixels(width, height, PixelFormat.RGB8))

    def _wanted_scale(self, width: int, height: int) -> int:
        if not self._plain_jpeg:
            return 1
        needed = (width * _HEADROOM, height * _HEADROOM)
        return next((s for s in _JPEG_SCALES if self.size[0] >= s * needed[0] and self.size[1] >= s * needed[1]), 1)

    @property
    def _plain_jpeg(self) -> bool:
        # CMYK needs the inversion some programs write and libjpeg does not undo: Pillow knows it.
        return self._header.components in (1, 3)

    def _decode(self, scale: int) -> None:
        if self._decoded is not None and self._scale <= scale:
            return
        try:
            self._decoded, self._scale = (
                _jpeg(self._data, self.size, scale) if self._plain_jpeg else (_other(self._data), 1)
            )
        except _DAMAGE as error:
            what = f"the {self._header.media_type} picture does not decode: {error}"
            raise MediaError(what, cure="send the whole, unchanged file") from error


class ArrayRaster:
    """Pixels somebody already has: u8 [height, width, 3] in RGB order, or [height, width] grey."""

    turn = UPRIGHT
    original = None

    def __init__(self, array: Pixels) -> None:
        if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
            what = f"an array of {array.dtype}{list(array.shape)} is no picture"
            raise MediaError(what, cure="give u8 [height, width, 3] or [height, width]")
        self._array = np.ascontiguousarray(array)
        self.size = (array.shape[1], array.shape[0])

    def pixels(self, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
        """As the protocol says."""
        return resized(self._array, width, height, (0, 0, *self.size), pixel_format)

    def planes(self, width: int, height: int) -> Planes:
        """As the protocol says."""
        return split(self.pixels(width, height, PixelFormat.RGB8))


def split(pixels: Pixels) -> Planes:
    """The three channels of RGB pixels as views."""
    return pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2]


def _jpeg(data: bytes, size: tuple[int, int], scale: int) -> tuple[Pixels, int]:
    """The pixels, and the scale they were decoded at."""
    import simplejpeg

    wanted: dict[str, Any] = {"min_width": -(-size[0] // scale), "min_height": -(-size[1] // scale)}
    try:
        return simplejpeg.decode_jpeg(data, "RGB", **wanted), scale
    except ValueError as error:
        # Some cameras leave stray bytes between segments: every decoder reads past them without loss.
        if "extraneous bytes" in str(error):
            return simplejpeg.decode_jpeg(data, "RGB", strict=False, **wanted), scale
        # TurboJPEG's interface refuses subsamplings it has no name for; libjpeg as Pillow uses it does not.
        if "subsampling" in str(error):
            return _other(data), 1
        raise


def _other(data: bytes) -> Pixels:
    from PIL import Image

    with Image.open(BytesIO(data), formats=("PNG", "WEBP", "BMP", "JPEG")) as image:
        if image.mode.startswith("I"):
            return (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
