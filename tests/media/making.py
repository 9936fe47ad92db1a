"""Real pictures and videos, made for the tests."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from weft.core.picture import Pixels


def scene(width: int, height: int) -> Pixels:
    """Smooth colours with a few hard edges: like a photograph, and no two corners alike."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    pixels = np.stack((255 * x, 255 * y, 127 + 120 * np.sin(9 * x * y)), axis=-1).astype(np.uint8)
    pixels[: height // 4, : width // 3] = (250, 30, 30)
    return pixels


def encoded(pixels: Pixels, kind: str, mode: str = "RGB", **options: Any) -> bytes:
    """A picture file by Pillow."""
    out = BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> Pixels:
    """A picture file's RGB pixels by Pillow."""
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def shrunk(pixels: Pixels, width: int, height: int) -> Pixels:
    """The reference: Pillow's antialiased bilinear resize."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def distance(one: Pixels, other: Pixels) -> float:
    """The mean difference of two pictures, in levels of 0..255."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def numbered(index: int, width: int, height: int) -> Pixels:
    """A grey picture that says its number: brightness 40 + 10 * index."""
    return np.full((height, width, 3), 40 + 10 * index, np.uint8)


def write_video(path: Path, count: int = 12, size: tuple[int, int] = (64, 48), fps: int = 10, **options: str) -> Path:
    """A small H.264 video of numbered pictures; ``options`` go to the container."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index, *size), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def number_of(pixels: Pixels) -> int:
    """The number of a picture made by :func:`numbered`, after any codec."""
    return round((float(pixels.mean()) - 40) / 10)
