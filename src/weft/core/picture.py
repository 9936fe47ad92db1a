"""Picture: what the host can do with a frame that shows something. ``weft.media`` implements it."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class PixelFormat(IntEnum):
    """Pixel formats, numbered as guests number them (``image_read``)."""

    RGB8 = 0
    BGR8 = 1
    GRAY8 = 2


class Picture(Protocol):
    """A picture that is decoded when it is first looked at, and then once."""

    @property
    def width(self) -> int:
        """Pixels across, as the picture was taken."""

    @property
    def height(self) -> int:
        """Pixels down, as the picture was taken."""

    def pixels(self, width: int, height: int, pixel_format: PixelFormat = PixelFormat.RGB8) -> Pixels:
        """The picture resized (bilinear, straight to the size, antialiased on reduction).

        Returns u8 [height, width, 3], or [height, width] for GRAY8; C-contiguous; the caller must not write to it.
        Raises MediaError when the picture does not decode.
        """

    def encode(self, media_type: str) -> bytes:
        """The picture as ``image/jpeg``, ``image/png``, … or ``image/x-raw`` (RGB8 rows).

        Raises MediaError for a media type nobody can write.
        """
