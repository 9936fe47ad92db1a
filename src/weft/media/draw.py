"""Results drawn on a picture: boxes with tags, and a panel of labels."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from weft.core.picture import Pixels
from weft.media.results import Box, Label, Results
from weft.media.tags import Area, TagPlaces

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

    The strongest boxes are drawn last, on top, and their tags find their place first; tags stay inside the picture and
    apart from each other as far as there is room. The panel shows the ``MAX_PANEL_LABELS`` strongest labels.
    """
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    style = _Style(ImageDraw.Draw(image), *image.size)
    boxes = sorted(results.boxes, key=lambda box: box.score or 0.0)
    labels = sorted(results.labels, key=lambda label: -(label.score or 0.0))[:MAX_PANEL_LABELS]
    for box in boxes:
        style.draw_outline(box)
    for tag in reversed(style.tags(boxes, labels)):
        style.draw_tag(tag)
    style.draw_panel(labels)
    return np.asarray(image)


@dataclass(frozen=True, slots=True)
class _Tag:
    words: str
    colour: Colour
    area: Area


class _Style:
    """A pen with sizes that follow the picture's: line width, font, padding."""

    def __init__(self, pen: ImageDraw, width: int, height: int) -> None:
        shorter = min(width, height)
        self.pen = pen
        self.width, self.height = width, height
        self.line = max(1, round(shorter / 180))
        self.font = _font(max(10, round(shorter / 24)))
        self.padding = max(2, self.line + 1)
        ascent = self.font.getbbox("Ag")
        self.row = round(ascent[3] + 2 * self.padding)

    def draw_outline(self, box: Box) -> None:
        """The rectangle."""
        self.pen.rectangle(self._area(box), outline=colour_of(box.label), width=self.line)

    def tags(self, boxes: Sequence[Box], labels: Sequence[Label]) -> list[_Tag]:
        """The tags of ``boxes``, the weakest of which comes first, in the order of their strength."""
        places = TagPlaces(self.width, self.height)
        if labels:
            places.take(self._panel(labels))
        return [
            _Tag(words, colour_of(box.label), places.place(self._area(box), self._span(words), self.row))
            for box in reversed(boxes)
            if (words := _words(box))
        ]

    def draw_tag(self, tag: _Tag) -> None:
        """What a box shows, on its colour."""
        left, top, _, _ = tag.area
        self.pen.rectangle(tag.area, fill=tag.colour)
        self._write(left + self.padding, top + self.padding, tag.words, _ink(tag.colour))

    def draw_panel(self, labels: Sequence[Label]) -> None:
        """The label list, top left and just wide enough, each with a bar of its colour."""
        if labels:
            self.pen.rectangle(self._panel(labels), fill=_DARK)
        for index, label in enumerate(labels):
            top = index * self.row + self.padding
            bar = (self.padding, top + self.padding, 2 * self.padding, top + self.row - self.padding)
            self.pen.rectangle(bar, fill=colour_of(label.label))
            self._write(3 * self.padding, top + self.padding, _words(label), _LIGHT)

    def _write(self, left: int, top: int, words: str, colour: Colour) -> None:
        self.pen.text((left, top), words, fill=colour, font=self.font)

    def _area(self, box: Box) -> Area:
        left, top, right, bottom = box.corners
        across, down = self.width - 1, self.height - 1
        return round(left * across), round(top * down), round(right * across), round(bottom * down)

    def _span(self, words: str) -> int:
        return round(self.font.getlength(words)) + 2 * self.padding

    def _panel(self, labels: Sequence[Label]) -> Area:
        widest = max(self.font.getlength(_words(label)) for label in labels)
        return 0, 0, round(widest + 5 * self.padding), len(labels) * self.row + self.padding


def _words(item: Box | Label) -> str:
    return item.label if item.score is None else f"{item.label} {item.score:.2f}".strip()


def _ink(background: Colour) -> Colour:
    red, green, blue = background
    return _DARK if 299 * red + 587 * green + 114 * blue > 128_000 else _LIGHT


@lru_cache(maxsize=16)
def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
