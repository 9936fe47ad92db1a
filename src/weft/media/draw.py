"""Results drawn on a picture: boxes with tags, and a panel of labels."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from weft.core.picture import Pixels
from weft.media.results import Box, Label, Results

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]

# Bright, and far enough apart to tell neighbours from each other on video.
PALETTE: tuple[Colour, ...] = (
    (255, 82, 82),
    (64, 196, 255),
    (105, 240, 174),
    (255, 215, 64),
    (224, 64, 251),
    (255, 171, 64),
    (178, 255, 89),
    (83, 109, 254),
    (255, 128, 171),
    (29, 233, 182),
    (234, 128, 252),
    (255, 255, 141),
)

MAX_PANEL_LABELS = 5
_DARK: Colour = (18, 18, 18)
_LIGHT: Colour = (250, 250, 250)


def colour_of(label: str) -> Colour:
    """The colour of a label: the same in every frame, run and process."""
    return PALETTE[zlib.crc32(label.encode(errors="replace")) % len(PALETTE)]


def draw_results(pixels: Pixels, results: Results) -> Pixels:
    """A copy of ``pixels`` (u8 [height, width, 3], RGB) with boxes, tags and the panel of labels drawn on it.

    The strongest boxes are drawn last, on top; the panel shows the ``MAX_PANEL_LABELS`` strongest labels.
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    style = _Style(*image.size)
    for box in sorted(results.boxes, key=lambda box: box.score or 0.0):
        style.draw_box(pen, box)
    style.draw_labels(pen, sorted(results.labels, key=lambda label: -(label.score or 0.0))[:MAX_PANEL_LABELS])
    return np.asarray(image)


class _Style:
    """Sizes that follow the picture's: line width, font, padding."""

    def __init__(self, width: int, height: int) -> None:
        shorter = min(width, height)
        self.width, self.height = width, height
        self.line = max(1, round(shorter / 180))
        self.font = _font(max(10, round(shorter / 24)))
        self.padding = max(2, self.line + 1)
        ascent = self.font.getbbox("Ag")
        self.row = round(ascent[3] + 2 * self.padding)

    def draw_box(self, pen: ImageDraw, box: Box) -> None:
        """The rectangle and its tag, above it or, where there is no room, inside."""
        left, top = round(box.corners[0] * (self.width - 1)), round(box.corners[1] * (self.height - 1))
        right, bottom = round(box.corners[2] * (self.width - 1)), round(box.corners[3] * (self.height - 1))
        colour = colour_of(box.label)
        pen.rectangle((left, top, right, bottom), outline=colour, width=self.line)
        text = _words(box)
        if not text:
            return
        span = round(pen.textlength(text, font=self.font)) + 2 * self.padding
        left = max(0, min(left, self.width - span))
        top = top - self.row if top >= self.row else top
        pen.rectangle((left, top, left + span, top + self.row), fill=colour)
        pen.text((left + self.padding, top + self.padding), text, fill=_ink(colour), font=self.font)

    def draw_labels(self, pen: ImageDraw, labels: list[Label]) -> None:
        """The label list, top left and just wide enough, each with a bar of its colour."""
        if labels:
            widest = max(self.font.getlength(_words(label)) for label in labels)
            pen.rectangle((0, 0, widest + 5 * self.padding, len(labels) * self.row + self.padding), fill=_DARK)
        for index, label in enumerate(labels):
            top = index * self.row + self.padding
            bar = (self.padding, top + self.padding, 2 * self.padding, top + self.row - self.padding)
            pen.rectangle(bar, fill=colour_of(label.label))
            pen.text((3 * self.padding, top + self.padding), _words(label), fill=_LIGHT, font=self.font)


def _words(item: Box | Label) -> str:
    return item.label if item.score is None else f"{item.label} {item.score:.2f}".strip()


def _ink(background: Colour) -> Colour:
    red, green, blue = background
    return _DARK if 299 * red + 587 * green + 114 * blue > 128_000 else _LIGHT


@lru_cache(maxsize=16)
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
