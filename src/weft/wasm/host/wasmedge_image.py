"""``wasmedge_image``: JPEG and PNG to pixels of a wanted size. Both generations of WasmEdge's image functions.

The first names the format and the pixels in the function, the second takes the kind of pixels as a number and says how
large the buffer is. Whatever picture it is, its content decides: a PNG passed as a JPEG is read.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from weft.core.picture import PixelFormat
from weft.wasm.guard import KINDS, Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.host.wasmedge_resize import resize_aligned

MAX_SIDE = 16384
"""Pixels; the largest width or height a guest may ask for."""

RGB8, BGR8, RGB32F, BGR32F = range(4)
_FORMATS = {RGB8: PixelFormat.RGB8, BGR8: PixelFormat.BGR8, RGB32F: PixelFormat.RGB8, BGR32F: PixelFormat.BGR8}
_SHARES = (np.arange(256) / 255.0).astype(np.float32)
_FIRST = "(i32 i32 i32 i32 i32) -> (i32)"
_SECOND = "(i32 i32 i32 i32 i32 i32 i32) -> (i32)"


class _Pictures(HostModule):
    """0 for pixels, 1 for none."""

    errno: ClassVar[dict[Kind, int]] = dict.fromkeys(KINDS, 1)
    grant = "always there"

    def _load(self, data: int, size: int, width: int, height: int, kind: int, out: int, room: int | None) -> None:
        """Decode, resize, write. The target is checked first: a bad pointer must not cost a decode."""
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
            raise Refusal("invalid", f"a picture of {width} x {height}; sides are 1 to {MAX_SIDE}")
        if kind not in _FORMATS:
            raise Refusal("invalid", f"no pixel type {kind}; 0 RGB8, 1 BGR8, 2 RGB32F, 3 BGR32F")
        needed = width * height * 3 * (4 if kind >= RGB32F else 1)
        if room is not None and room & 0xFFFFFFFF < needed:
            raise Refusal("too_small", f"a buffer of {room & 0xFFFFFFFF} bytes, and {width} x {height} needs {needed}")
        target = self.memory.view(out, needed)
        picture = self.instance.settings.services.open_picture(self.memory.read(data, size), "")
        pixels = resize_aligned(picture.pixels(picture.width, picture.height, _FORMATS[kind]), width, height)
        target[:] = (_SHARES[pixels].view(np.uint8) if kind >= RGB32F else pixels).reshape(-1)


class FirstImage(_Pictures):
    """One function per format and kind of pixels."""

    name = "wasmedge_image"
    prefix = "wasmedge_image_"

    @exported(_FIRST)
    def load_jpg_to_rgb8(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """JPEG to bytes, red first."""
        self._load(data, size, width, height, RGB8, out, None)

    @exported(_FIRST)
    def load_jpg_to_bgr8(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """JPEG to bytes, blue first."""
        self._load(data, size, width, height, BGR8, out, None)

    @exported(_FIRST)
    def load_jpg_to_rgb32f(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """JPEG to floats from 0 to 1, red first."""
        self._load(data, size, width, height, RGB32F, out, None)

    @exported(_FIRST)
    def load_jpg_to_bgr32f(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """JPEG to floats from 0 to 1, blue first."""
        self._load(data, size, width, height, BGR32F, out, None)

    @exported(_FIRST)
    def load_png_to_rgb8(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """PNG to bytes, red first."""
        self._load(data, size, width, height, RGB8, out, None)

    @exported(_FIRST)
    def load_png_to_bgr8(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """PNG to bytes, blue first."""
        self._load(data, size, width, height, BGR8, out, None)

    @exported(_FIRST)
    def load_png_to_rgb32f(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """PNG to floats from 0 to 1, red first."""
        self._load(data, size, width, height, RGB32F, out, None)

    @exported(_FIRST)
    def load_png_to_bgr32f(self, data: int, size: int, width: int, height: int, out: int) -> None:
        """PNG to floats from 0 to 1, blue first."""
        self._load(data, size, width, height, BGR32F, out, None)


class SecondImage(_Pictures):
    """The kind of pixels is a number: 0 RGB8, 1 BGR8, 2 RGB32F, 3 BGR32F."""

    name = "wasmedge_image"

    @exported(_SECOND)
    def load_jpg(self, data: int, size: int, width: int, height: int, kind: int, out: int, room: int) -> None:
        """A JPEG."""
        self._load(data, size, width, height, kind, out, room)

    @exported(_SECOND)
    def load_png(self, data: int, size: int, width: int, height: int, kind: int, out: int, room: int) -> None:
        """A PNG."""
        self._load(data, size, width, height, kind, out, room)

    @exported(_SECOND)
    def load_image(self, data: int, size: int, width: int, height: int, kind: int, out: int, room: int) -> None:
        """A picture of either format."""
        self._load(data, size, width, height, kind, out, room)
