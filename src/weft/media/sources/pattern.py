"""A test pattern: coloured bars that move, and a frame counter. Needs no camera and no file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import numpy as np

from weft.core.clock import monotonic, now_ns
from weft.core.frame import Frame
from weft.core.picture import Pixels
from weft.media.images import picture_from_array
from weft.media.sources.frames import (
    Size,
    checked_count,
    checked_encoding,
    checked_rate,
    parse_picture_size,
    picture_frame,
)

BARS = ((235, 235, 235), (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235), (235, 16, 16), (16, 16, 235))


class PatternSource:
    """Moving bars with the frame's number. The same frame always has the same pixels.

    Args:
        size: of the pictures, "640x480".
        fps: frames per second: how far their times are apart, and with ``realtime`` how fast they come.
        frames: stop after so many; None never stops.
        realtime: keep to the clock like a camera, which makes the source live (its frames may be dropped).
        encoding: what the payload is when somebody reads it: "jpeg", or "raw" for RGB rows.
    """

    def __init__(
        self,
        *,
        size: Size = (640, 480),
        fps: float = 25.0,
        frames: int | None = None,
        realtime: bool = False,
        encoding: str = "jpeg",
    ) -> None:
        self.size = parse_picture_size(size)
        self.live = realtime
        self.length = checked_count(frames, "frames")
        self._step = 1 / checked_rate(fps)
        self._encoding = checked_encoding(encoding)
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """The frames, endless unless ``frames`` was given."""
        bars = _bars(*self.size)
        begin, begin_ns = monotonic(), now_ns()
        for sequence in count() if self.length is None else range(self.length):
            due = sequence * self._step
            wait = begin + due - monotonic() if self.live else 0
            if self._closed.wait(wait) if wait > 0 else self._closed.is_set():
                return
            picture = picture_from_array(_pixels(bars, sequence, *self.size))
            yield picture_frame(picture, sequence, begin_ns + round(due * 1e9), self._encoding)

    def close(self) -> None:
        """End ``frames`` at once, also while it waits for the clock."""
        self._closed.set()


def _bars(width: int, height: int) -> Pixels:
    """Two pictures side by side, so that every shift of the first is a slice."""
    colours = np.array(BARS, np.uint8)
    row = colours[np.arange(2 * width) % width * len(BARS) // width]
    return np.broadcast_to(row, (height, 2 * width, 3)).copy()


def _pixels(bars: Pixels, sequence: int, width: int, height: int) -> Pixels:
    from PIL import Image, ImageDraw, ImageFont

    shift = sequence * max(1, width // 160) % width
    pixels = bars[:, shift : shift + width].copy()
    tall = max(10, height // 10)
    if height <= tall + 4:
        return pixels
    tag = Image.new("RGB", (min(width, 6 * tall), tall + 4))
    font = ImageFont.load_default(tall)
    ImageDraw.Draw(tag).text((4, 0), f"{sequence:06d}", fill=(255, 255, 255), font=font)
    pixels[height - tag.height :, : tag.width] = np.asarray(tag)
    return pixels
