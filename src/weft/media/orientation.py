"""Which way is up: the EXIF orientation of a JPEG, the display rotation of a video, and how to undo them.

Weft's pictures are upright, as every viewer shows them: width, height, pixels and boxes all mean the
upright picture. The turn is made on the resized pixels, so it costs next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weft.core.picture import Pixels

_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, slots=True)
class Turn:
    """Mirror the columns if ``mirror``, then turn ``quarters`` times a quarter anticlockwise."""

    quarters: int = 0
    mirror: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """A size after the turn; the way back is the same."""
        return (height, width) if self.quarters % 2 else (width, height)

    def apply(self, pixels: Pixels) -> Pixels:
        """Pixels [height, width, …] turned; the array itself where there is nothing to do."""
        if self == UPRIGHT:
            return pixels
        mirrored = pixels[:, ::-1] if self.mirror else pixels
        return np.ascontiguousarray(np.rot90(mirrored, self.quarters))


UPRIGHT = Turn()

_BY_EXIF = {
    2: Turn(0, mirror=True),
    3: Turn(2),
    4: Turn(2, mirror=True),
    5: Turn(1, mirror=True),
    6: Turn(3),
    7: Turn(3, mirror=True),
    8: Turn(1),
}


def video_turn(degrees: int) -> Turn:
    """The turn for a video frame's display rotation, which counts degrees anticlockwise.

    Anything but whole quarters is left alone: it would need pixels outside the picture.
    """
    return Turn(degrees // 90 % 4) if degrees % 90 == 0 else UPRIGHT


def exif_turn(tiff: bytes) -> Turn:
    """The turn EXIF data (in TIFF form) asks for; none where it says nothing or makes no sense."""
    little = tiff[:2] == b"II"

    def number(start: int, size: int) -> int:
        return int.from_bytes(tiff[start : start + size], "little" if little else "big")

    directory = number(4, 4)
    for index in range(min(number(directory, 2), 256)):
        entry = directory + 2 + 12 * index
        if number(entry, 2) == _ORIENTATION_TAG:
            return _BY_EXIF.get(number(entry + 8, 2), UPRIGHT)
    return UPRIGHT
