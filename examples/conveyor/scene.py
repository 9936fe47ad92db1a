"""The scene: one long strip of belt with parts on it, a lamp, and a camera that looks at a window of it.

The strip is drawn once; a frame is a window into it under the lamp of the moment, with the camera's noise.
That makes a frame a matter of milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from . import parts
from .fixture import RAIL, Lamp, draw_rails
from .parts import Array

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

SIZE = (640, 360)
DEFECT_SHARE = 0.35
MIN_VISIBLE = 0.15

_FABRICS = ((0.160, 0.345, 0.275), (0.225, 0.240, 0.250), (0.150, 0.255, 0.365))


@dataclass(frozen=True, slots=True)
class Box:
    """One part in one frame: its label, corners x1, y1, x2, y2 in 0..1 of the frame, the number of the
    part, and which share of the part is inside the frame (1.0: all of it)."""

    label: str
    box: tuple[float, float, float, float]
    part: int
    visible: float


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part on the strip: the pixel of its upper left corner."""

    sprite: parts.Sprite
    x: int
    y: int


class Scene:
    """A belt of ``frames`` frames of ``size`` (width, height) pixels, all from ``seed``."""

    def __init__(self, seed: int, frames: int, size: tuple[int, int] = SIZE) -> None:
        self.frames = frames
        self.size = size
        self.scale = size[1] / SIZE[1]
        rng = np.random.default_rng([seed, 0xBE17])
        self.speed = max(1, round(rng.uniform(3, 5.5) * self.scale))
        length = size[0] + self.speed * (frames - 1)
        self._placed = self._place(length, rng)
        self._strip = self._draw_strip(length, rng)
        self._lamp = Lamp(size, rng)
        self._rails = draw_rails(size, self.rail, rng)
        noise = rng.standard_normal((size[1] + 64, (size[0] + 64) * 3), np.float32)
        self._grain = noise * rng.uniform(1.5, 6.0)
        self._shifts = rng.integers(0, 64, (frames, 2))

    @property
    def rail(self) -> int:
        """Height in pixels of each of the two side rails."""
        return round(self.size[1] * RAIL)

    def frame(self, index: int) -> Pixels:
        """Frame ``index`` as the camera sees it: u8 RGB [height, width, 3]."""
        width, height = self.size
        picture = np.empty((height, width, 3), np.float32)
        picture[: self.rail], picture[height - self.rail :] = self._rails
        start = self._start(index)
        picture[self.rail : height - self.rail] = self._strip[:, start : start + width]
        self._lamp.light(picture, index)
        down, right = self._shifts[index]
        picture += self._grain[down : down + height, 3 * right : 3 * (right + width)].reshape(picture.shape)
        return np.clip(picture, 0, 255, out=picture).astype(np.uint8)

    def truth(self, index: int) -> list[Box]:
        """The parts of frame ``index``, from left to right, cut at the frame's edges."""
        start = self._start(index)
        near = range(start - parts.LARGEST * max(1, math.ceil(self.scale)), start + self.size[0])
        boxes = (self._box(number, item, start) for number, item in enumerate(self._placed) if item.x in near)
        return sorted((box for box in boxes if box.visible >= MIN_VISIBLE), key=lambda box: box.box)

    def _start(self, index: int) -> int:
        return self.speed * (self.frames - 1 - index)

    def _box(self, number: int, placed: _Placed, start: int) -> Box:
        width, height = self.size
        sprite = placed.sprite
        tall, wide = sprite.alpha.shape
        left, right = placed.x - start, placed.x - start + wide
        kept = np.s_[max(0, -left) : max(0, width - left)]
        visible = float(sprite.alpha[:, kept].sum() / sprite.alpha.sum())
        top = placed.y + self.rail
        x1, x2 = (min(max(edge / width, 0.0), 1.0) for edge in (left, right))
        corners = (round(x1, 5), round(top / height, 5), round(x2, 5), round((top + tall) / height, 5))
        return Box(sprite.label, corners, number, round(visible, 3))

    def _place(self, length: int, rng: parts.Rng) -> list[_Placed]:
        """Parts at random places without overlap; some slid against a neighbour until they touch."""
        taken = np.zeros((self.size[1] - 2 * self.rail, length), bool)
        placed: list[_Placed] = []
        for _ in range(round(length / (54 * self.scale))):
            sprite = _random_part(rng, self.scale)
            touch = bool(placed) and rng.random() < 0.25
            spot = _beside(sprite, placed, taken, rng) if touch else _anywhere(sprite, taken, rng, self.scale)
            if spot is not None:
                placed.append(_Placed(sprite, *spot))
                _window(taken, sprite, *spot)[...] |= sprite.alpha > 0.02
        return sorted(placed, key=lambda item: -item.x)

    def _draw_strip(self, length: int, rng: parts.Rng) -> Array:
        """The belt with shadows and parts, f32 0..255, blurred along the way it moves."""
        strip = _draw_fabric(length, self.size[1] - 2 * self.rail, self.scale, rng)
        strip *= _shadow(strip.shape[:2], self._placed, self.scale)[..., None]
        for item in self._placed:
            view = _window(strip, item.sprite, item.x, item.y)
            view += (item.sprite.colour - view) * item.sprite.alpha[..., None]
        strip *= 255
        return _smear(strip, rng.uniform(0.15, 0.55) * self.speed)


def _random_part(rng: parts.Rng, scale: float) -> parts.Sprite:
    kind = parts.KINDS[rng.integers(len(parts.KINDS))]
    defect = str(rng.choice(parts.DEFECTS[kind])) if rng.random() < DEFECT_SHARE else ""
    return parts.draw(kind, defect, rng.uniform(0, 2 * np.pi), rng, scale)


def _window(surface: Any, sprite: parts.Sprite, x: int, y: int) -> Any:
    height, width = sprite.alpha.shape
    return surface[y : y + height, x : x + width]


def _anywhere(sprite: parts.Sprite, taken: Any, rng: parts.Rng, scale: float) -> tuple[int, int] | None:
    """A free place with some room around it, or None when twenty tries found none."""
    height, width = sprite.alpha.shape
    gap = round(4 * scale)
    for _ in range(20):
        x = int(rng.integers(0, taken.shape[1] - width))
        y = int(rng.integers(gap, taken.shape[0] - height - gap))
        if not taken[max(y - gap, 0) : y + height + gap, max(x - gap, 0) : x + width + gap].any():
            return x, y
    return None


def _beside(sprite: parts.Sprite, placed: list[_Placed], taken: Any, rng: parts.Rng) -> tuple[int, int] | None:
    """The first place on a ray away from another part where the two just touch, or None."""
    other = placed[rng.integers(len(placed))]
    turn, solid = rng.uniform(0, 2 * np.pi), sprite.alpha > 0.02
    height, width = solid.shape
    x0 = other.x + (other.sprite.alpha.shape[1] - width) / 2
    y0 = other.y + (other.sprite.alpha.shape[0] - height) / 2
    for step in range(10, 140, 2):
        x, y = round(x0 + step * np.cos(turn)), round(y0 + step * np.sin(turn))
        if not (0 <= x < taken.shape[1] - width and 2 <= y < taken.shape[0] - height - 2):
            return None
        if not (_window(taken, sprite, x, y) & solid).any():
            return x, y
    return None


def _blurred(values: Array, radius: float) -> Array:
    """Gaussian blur of a picture in 0..1."""
    image = Image.fromarray(np.uint8(np.clip(values, 0, 1) * 255))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def _draw_fabric(length: int, height: int, scale: float, rng: parts.Rng) -> Array:
    """The empty belt: a fine weave, stains, scuffs along its way, and slanting seams. f32 0..1 [h, w, 3]."""
    x, y = np.arange(length, dtype=np.float32) / scale, np.arange(height, dtype=np.float32)[:, None] / scale
    weave = 0.045 * np.sin((x + y) * 1.05) * np.sin((x - y) * 1.05)
    fine = 0.035 * rng.standard_normal((height, length), np.float32)
    stains = _blurred(rng.random((height // 8 + 1, length // 8 + 1), np.float32), 2.5)
    large = np.asarray(Image.fromarray(stains).resize((length, height), Image.Resampling.BICUBIC), np.float32)
    scuffs = _smear(rng.standard_normal((height, length), np.float32)[..., None], 60 * scale)[..., 0]
    tone = 1 + weave + fine + 1.6 * (large - large.mean()) + 0.15 * scuffs
    for seam in np.arange(rng.uniform(100, 700), length / scale, 760).tolist():
        away = np.abs(x - seam - 0.35 * y)
        tone += 0.16 * np.exp(-((away / 1.6) ** 2)) - 0.30 * np.exp(-(((away - 4.5) / 1.4) ** 2))
    colour = np.asarray(_FABRICS[rng.integers(len(_FABRICS))], np.float32) * rng.uniform(0.85, 1.15)
    return np.asarray(tone[..., None] * colour, np.float32)


def _shadow(shape: tuple[int, ...], placed: list[_Placed], scale: float) -> Array:
    """What is left of the light under and beside the parts, 0..1."""
    cover = np.zeros(shape, np.float32)
    for item in placed:
        view = _window(cover, item.sprite, item.x, item.y)
        np.maximum(view, item.sprite.alpha, out=view)
    close, wide = _blurred(cover, 1.6 * scale), _blurred(cover, 5 * scale)
    near, far = round(3 * scale), round(5 * scale)
    light = (1 - 0.55 * np.roll(close, (near, near), (0, 1))) * (1 - 0.40 * np.roll(wide, (far, far), (0, 1)))
    return np.asarray(light, np.float32)


def _smear(strip: Array, length: float) -> Array:
    """Motion blur: the mean over ``length`` pixels along x, ends repeated."""
    whole = max(1, round(length))
    padded = np.concatenate([strip[:, :1].repeat(whole, 1), strip], 1)
    if whole <= 8:
        total = strip.copy()
        for step in range(1, whole):
            total += padded[:, step : step + strip.shape[1]]
        return np.asarray(total / np.float32(whole), np.float32)
    sums = np.cumsum(padded, 1, dtype=np.float64)
    return np.asarray((sums[:, whole:] - sums[:, :-whole]) / whole, np.float32)
