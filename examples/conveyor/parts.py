"""The parts on the belt: five kinds, good and defective, drawn as small relief maps under a fixed lamp.

Each kind is a height map in pixels of a 360-line frame. Shading comes from its slopes, so a part looks
right at any rotation, and a defect (a missing tooth, a crack, rust) is just another shape or colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]
Rng = np.random.Generator

KINDS = ("bolt", "nut", "washer", "gear", "bracket")
LABELS = (*KINDS, *(f"{kind} (defect)" for kind in KINDS))
DEFECTS = {
    "bolt": ("bent", "snapped"),
    "nut": ("cracked", "rusty"),
    "washer": ("off-centre", "chipped"),
    "gear": ("missing teeth", "rusty"),
    "bracket": ("missing hole", "torn"),
}

_OVERSAMPLING = 3
_REACH = {"bolt": 56, "nut": 31, "washer": 30, "gear": 48, "bracket": 54}
LARGEST = 2 * max(_REACH.values())  # pixels of a 360-line frame: no sprite is wider

_TINTS = {
    "bolt": (0.79, 0.80, 0.83),
    "nut": (0.84, 0.69, 0.40),
    "washer": (0.86, 0.87, 0.88),
    "gear": (0.47, 0.51, 0.57),
    "bracket": (0.71, 0.75, 0.78),
}
_LAMP = (-0.46, -0.62, 0.64)
_RUST = (0.40, 0.19, 0.085)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A drawn part: straight colours f32 [h, w, 3] in 0..1 and coverage f32 [h, w]."""

    kind: str
    defect: str
    colour: Array
    alpha: Array

    @property
    def label(self) -> str:
        """What a detector should answer: the kind, with "(defect)" where it has one."""
        return f"{self.kind} (defect)" if self.defect else self.kind


@dataclass(slots=True)
class _Relief:
    """Height above the belt [h, w]; 0 is belt. ``grain`` and ``rust`` are 0-centred and 0..1 maps."""

    height: Array
    grain: Array
    rust: Array | None = None


def draw(kind: str, defect: str, angle: float, rng: Rng, scale: float = 1.0) -> Sprite:
    """A part at ``angle`` (radians), ``scale`` pixels to a unit; ``defect`` is "" or one of ``DEFECTS[kind]``."""
    reach = _REACH[kind]
    side = round(2 * reach * scale) * _OVERSAMPLING
    axis = (np.arange(side, dtype=np.float32) + 0.5) * (2 * reach / side) - reach
    x, y = axis[None, :], axis[:, None]
    u = x * np.cos(angle, dtype=np.float32) + y * np.sin(angle, dtype=np.float32)
    v = y * np.cos(angle, dtype=np.float32) - x * np.sin(angle, dtype=np.float32)
    relief = _SHAPES[kind](u, v, defect, rng)
    if defect == "rusty":
        relief.rust = _blotches(u, v, rng)
    colour = _shade(relief, (x, y), kind, side / (2 * reach), rng)
    return _reduce(kind, defect, colour, (relief.height > 0).astype(np.float32))


def _reduce(kind: str, defect: str, colour: Array, mask: Array) -> Sprite:
    """Average the oversampled picture down, colours weighted by coverage, and cut the empty rim."""
    alpha = _pool(mask)
    mixed = _pool(colour * mask[..., None]) / np.maximum(alpha, 1 / 255)[..., None]
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Sprite(kind, defect, np.minimum(mixed[cut], 1), alpha[cut])


def _pool(values: Array) -> Array:
    """The mean of each block of oversampled pixels; values in 0..1."""
    image = Image.fromarray((values * 255 + 0.5).astype(np.uint8))
    return np.asarray(image.reduce(_OVERSAMPLING), np.float32) / 255


def _shade(relief: _Relief, place: tuple[Array, Array], kind: str, density: float, rng: Rng) -> Array:
    """Colours of a relief: diffuse light, a broad and a sharp highlight, grain, and rust on top."""
    down, across = np.gradient(relief.height * density)
    up = 1 / np.sqrt(1 + across**2 + down**2)
    light = (_LAMP[2] - _LAMP[0] * across - _LAMP[1] * down) * up
    mirror = 2 * up * light - _LAMP[2]
    slope = (place[0] * _LAMP[0] + place[1] * _LAMP[1]) / _REACH[kind]
    tone = 0.32 + 0.68 * np.clip(light, 0, 1) + 0.10 * slope + relief.grain
    wide = np.clip(mirror, 0, 1) ** 2
    wide = wide * wide * np.clip(mirror, 0, 1)
    gloss = 0.22 * wide + 0.70 * (wide * wide * wide) ** 2
    tint = (np.asarray(_TINTS[kind]) * rng.uniform(0.9, 1.08) + rng.normal(0, 0.012, 3)).astype(np.float32)
    colour = tone[..., None] * tint + gloss[..., None] * (0.6 + 0.4 * tint)
    if relief.rust is not None:
        rusted = (0.35 + 0.75 * np.clip(light, 0, 1) + 2.2 * relief.grain)[..., None] * np.asarray(_RUST, np.float32)
        colour += (rusted * 1.25 - colour) * relief.rust[..., None]
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def _bevel(distance: Array, width: float, height: float) -> Array:
    """A plate with rounded edges over a signed distance (negative inside)."""
    inside = np.clip(-distance / width, 0, 1)
    return np.asarray(height * np.sqrt(1 - (1 - inside) ** 2), np.float32)


def _box(u: Array, v: Array, half_u: float, half_v: float, corner: float = 0.0) -> Array:
    """Signed distance to a rectangle with rounded corners."""
    du, dv = np.abs(u) - half_u + corner, np.abs(v) - half_v + corner
    outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0))
    return np.asarray(outside + np.minimum(np.maximum(du, dv), 0) - corner, np.float32)


def _noise(shape: tuple[int, ...], rng: Rng, blur: float) -> Array:
    """Smooth noise with unit deviation."""
    image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    values = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-3), np.float32)


def _brushed(position: Array, rng: Rng, strength: float = 0.03) -> Array:
    """Grain that is constant along lines of equal ``position`` (straight strokes, or rings)."""
    strokes = rng.normal(0, strength, 256).astype(np.float32)
    return strokes[(position * 2.0 + 128).astype(np.int32) % 256]


def _blotches(u: Array, v: Array, rng: Rng) -> Array:
    """Rust: a few ragged patches around one side of the part."""
    where, size = rng.uniform(0, 2 * np.pi), rng.uniform(17, 23)
    reach = rng.uniform(14, 20)
    distance = np.hypot(u - reach * np.cos(where), v - reach * np.sin(where))
    ragged = size - distance + 4.5 * _noise(u.shape, rng, 7) + 1.5 * _noise(u.shape, rng, 2)
    return np.asarray(np.clip(ragged / 4, 0, 1) * 0.95, np.float32)


def _bolt(u: Array, v: Array, defect: str, rng: Rng) -> _Relief:
    """A hexagon bolt on its side: head at the left, thread to the right."""
    end = 50.0
    if defect == "bent":
        bow = np.float32(rng.uniform(0.0115, 0.0150) * (1 if rng.random() < 0.5 else -1))
        past = np.maximum(u + 20, 0)
        slope = 2 * bow * past
        u, v = u + v * slope / (1 + slope**2), (v - bow * past**2) / np.hypot(1, slope)
        end = 34.0
    if defect == "snapped":
        end = float(rng.uniform(4, 12)) + 2.5 * np.sin(v * rng.uniform(0.9, 1.4) + rng.uniform(0, 6))
    radius = 9.0
    thread = np.where(u > -14, 0.9 * np.abs((u / 4.4 + v * 0.03) % 1 * 2 - 1), 0).astype(np.float32)
    profile = radius + 0.6 - thread - np.maximum(u - end + 5, 0) * 0.6 * (end > 30)
    shank = np.sqrt(np.maximum(profile**2 - v**2, 0)) * ((u > -36) & (u < end))
    facets = 17.0 - 0.8 * np.maximum(np.abs(v) - 8.2, 0)
    head = np.minimum(_bevel(_box(u + 43, v, 7.5, 17.5, 2), 2.5, 17), facets) * (np.abs(v) <= 17.5)
    height = np.maximum(shank + 6 * (shank > 0), head)
    return _Relief(np.asarray(height, np.float32), _brushed(v, rng, 0.02))


def _nut(u: Array, v: Array, defect: str, rng: Rng) -> _Relief:
    """A hexagon nut with a chamfered rim and a threaded hole."""
    radius = np.hypot(u, v)
    turn = np.arctan2(v, u)
    sector = np.abs((turn + np.pi / 6) % (np.pi / 3) - np.pi / 6)
    rim = radius * np.cos(sector) - 24.5
    top = np.minimum(_bevel(rim, 3, 12), 12 - 0.9 * np.maximum(radius - 23, 0))
    hole = 12.5 - radius
    wall = np.where(radius > 12.5, top, 2.5 + 1.2 * np.sin(radius * 2.2))
    height = np.where(radius < 10.2, 0, np.minimum(wall, np.where(hole > 0, wall, 6 + np.abs(hole) * 3)))
    height = np.where(rim < 0, height, 0)
    if defect == "cracked":
        height = _cut_crack(height, radius, turn, rng)
    return _Relief(np.asarray(height, np.float32), _brushed(radius, rng, 0.018))


def _cut_crack(height: Array, radius: Array, turn: Array, rng: Rng) -> Array:
    """A jagged gap from the hole to the rim, belt showing through."""
    centre = rng.uniform(0, 2 * np.pi)
    jag = 1.3 * np.abs((radius / 5 + rng.uniform(0, 1)) % 2 - 1)
    offset = ((turn - centre + np.pi) % (2 * np.pi) - np.pi) * radius - jag
    return np.where((np.abs(offset) < rng.uniform(1.9, 3.2)) & (np.abs(offset) < radius), 0, height).astype(np.float32)


def _washer(u: Array, v: Array, defect: str, rng: Rng) -> _Relief:
    """A flat ring."""
    radius = np.hypot(u, v)
    turn = rng.uniform(0, 2 * np.pi)
    shift = rng.uniform(5.5, 9.0) if defect == "off-centre" else 0.0
    hole = 13.5 - np.hypot(u - shift * np.cos(turn), v - shift * np.sin(turn))
    outline = np.maximum(radius - 27, hole)
    if defect == "chipped":
        ragged = 0.8 * np.sin(u * 1.3) + 0.8 * np.sin(v * 1.7)
        bite = rng.uniform(8.5, 12) - np.hypot(u - 26 * np.cos(turn), v - 26 * np.sin(turn)) + ragged
        outline = np.maximum(outline, bite)
    return _Relief(_bevel(outline, 2.6, 4), _brushed(radius, rng, 0.035))


def _gear(u: Array, v: Array, defect: str, rng: Rng) -> _Relief:
    """A spur gear of 16 teeth with a hub, a bore and five windows."""
    radius, turn = np.hypot(u, v), np.arctan2(v, u)
    phase = turn / (2 * np.pi) * 16
    tooth = np.clip(1.5 * np.cos(2 * np.pi * phase) + 0.25, -0.5, 0.75) / 1.25 + 0.4
    if defect == "missing teeth":
        gone = rng.integers(2, 4)
        tooth = np.where((np.round(phase) - rng.integers(0, 16)) % 16 < gone, 0.1 * tooth, tooth)
    outline = radius - (33.5 + 9.5 * tooth)
    windows: Array = 5.4 - np.hypot(radius - 23.5, ((turn + 0.3) % (2 * np.pi / 5) - np.pi / 5) * radius)
    outline = np.maximum(np.maximum(outline, windows), 7.5 - radius)
    key = _box(u - 7.5, v, 4, 2.4)
    height = _bevel(np.maximum(outline, -key), 2.2, 9)
    dish = 2.5 * np.clip((31 - radius) / 2, 0, 1) * np.clip((radius - 14.5) / 2, 0, 1)
    hub = 3 * np.clip((14.5 - radius) / 2, 0, 1)
    height = np.where(height > 0, np.maximum(height - dish + hub, 0.5), 0)
    return _Relief(np.asarray(height, np.float32), _brushed(radius, rng, 0.03))


def _bracket(u: Array, v: Array, defect: str, rng: Rng) -> _Relief:
    """A stamped plate: a round hole at each end, a slot between, and a folded flange along one side."""
    outline = _box(u, v, 45, 22, 7)
    holes = [6.3 - np.hypot(u + 33, v + 3), 6.3 - np.hypot(u - 33, v + 3)]
    if defect == "missing hole":
        holes.pop(int(rng.integers(0, 2)))
    for hole in (*holes, -_box(u, v + 3, 15, 4.5, 4.4)):
        outline = np.maximum(outline, hole)
    if defect == "torn":
        end = 1 if rng.random() < 0.5 else -1
        ragged = 1.8 * np.sin(v * 0.9 + rng.uniform(0, 6)) + 0.9 * np.sin(v * 2.3)
        outline = np.maximum(outline, end * u + 0.45 * v - rng.uniform(20, 25) + ragged)
    plate = _bevel(outline, 2.2, 4)
    flange = np.where(plate > 0, 7 * np.clip((v - 12.5) / 3.5, 0, 1), 0)
    return _Relief(np.asarray(plate + flange, np.float32), _brushed(v, rng, 0.03))


_SHAPES: dict[str, Callable[[Array, Array, str, Rng], _Relief]] = {
    "bolt": _bolt,
    "nut": _nut,
    "washer": _washer,
    "gear": _gear,
    "bracket": _bracket,
}
