"""What stands still around the belt: the side rails, and the lamp above."""

from __future__ import annotations

import numpy as np

from .parts import Array, Rng

RAIL = 0.115  # height of a side rail, of the frame's height


def draw_rails(size: tuple[int, int], rail: int, rng: Rng) -> tuple[Array, Array]:
    """The aluminium side rails, top and bottom: f32 0..255, each [rail, width, 3]."""
    width = size[0]
    across = (np.arange(rail, dtype=np.float32) + 0.5) / rail
    profile = 0.60 + 0.10 * np.sin(across * 9) - 0.34 * ((across > 0.40) & (across < 0.62)) - 0.30 * (across > 0.93)
    profile += 0.20 * np.exp(-(((across - 0.37) / 0.03) ** 2)) + 0.15 * np.exp(-(((across - 0.90) / 0.03) ** 2))
    strokes = rng.normal(0, 0.018, (2, rail, 1)) + rng.normal(0, 0.008, (2, rail, width))
    tones = [profile[:, None] + strokes[0], profile[::-1, None] + strokes[1]]
    x, y = np.arange(width, dtype=np.float32), np.arange(rail, dtype=np.float32)[:, None]
    screws = [_screws(x, y - centre * rail, 0.18 * width, rail) for centre in (0.2, 0.8)]
    tint = np.asarray((0.93, 0.98, 1.02)) * 215
    top, bottom = (
        ((tone - dark)[..., None] * tint).astype(np.float32) for tone, dark in zip(tones, screws, strict=True)
    )
    return top, bottom


def _screws(x: Array, y: Array, apart: float, rail: int) -> Array:
    """How much darker a row of screw heads makes the rail."""
    away = np.hypot((x + apart / 2) % apart - apart / 2, y) / rail
    return np.asarray(0.36 * np.clip((0.115 - away) * 18, 0, 1) - 0.20 * np.clip((0.05 - away) * 18, 0, 1))


class Lamp:
    """The light over the belt: a soft pool, a colour, a slow drift, a flicker and a shadow that wanders."""

    def __init__(self, size: tuple[int, int], rng: Rng) -> None:
        width, height = size
        x = np.linspace(-1, 1, width, dtype=np.float32)
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
        spot = (x - rng.uniform(-0.5, 0.5)) ** 2 * 0.55 + (y - rng.uniform(-0.4, 0.4)) ** 2 * 0.35
        tint = 1 + np.asarray((1, 0.15, -1)) * rng.uniform(-0.07, 0.07)
        gain = rng.uniform(0.68, 1.15) * (0.72 + 0.45 * np.exp(-spot)) * self._rail_shadow(y)
        self._gain = np.asarray(gain[..., None] * tint, np.float32)
        self._x = x
        self._drift = rng.uniform(0.03, 0.10), rng.uniform(150, 400), rng.uniform(0, 6)
        self._flicker = rng.uniform(0.0, 0.02), rng.uniform(3.1, 9.7)
        self._wander = rng.uniform(0.05, 0.18), rng.uniform(0.008, 0.022), rng.uniform(0, 6)

    @staticmethod
    def _rail_shadow(y: Array) -> Array:
        """The rails stand above the belt: the upper one throws a shadow on it, the lower a thin one."""
        belt = np.abs(y) < 1 - 2 * RAIL
        upper = 0.55 * np.exp(-(y + 1 - 2 * RAIL) / 0.05)
        lower = 0.30 * np.exp((y - 1 + 2 * RAIL) / 0.02)
        return np.asarray(np.where(belt, 1 - np.clip(upper, 0, 1) - np.clip(lower, 0, 1), 1), np.float32)

    def light(self, picture: Array, index: int) -> None:
        """Multiply a picture [h, w, 3] by the light at frame ``index``, in place."""
        depth, period, phase = self._drift
        level = 1 + depth * np.sin(index * 2 * np.pi / period + phase)
        level += self._flicker[0] * np.sin(index * self._flicker[1])
        dip, pace, start = self._wander
        column = level - dip * np.exp(-(((self._x - 1.6 * np.sin(index * pace + start)) / 0.45) ** 2))
        picture *= self._gain
        picture *= column[:, None].astype(np.float32)
