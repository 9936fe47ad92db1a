"""Draws the belt: parts of several kinds pass under a camera, some with defects, and the truth is known.

``render`` writes a video and ``truth.jsonl``. Everything follows from the seed: the same seed gives the same
parts, light, noise and truth.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

from .scene import SIZE, Box, Scene

FPS = 25
Truth = list[list[Box]]
Progress = Callable[[int, int], None]


def render(
    path: Path,
    seed: int,
    seconds: float = 10.0,
    *,
    size: tuple[int, int] = SIZE,
    fps: int = FPS,
    progress: Progress | None = None,
) -> Truth:
    """Write an H.264 video to ``path`` and ``truth.jsonl`` beside it; returns the truth, a list per frame.

    ``size`` is width, height in pixels, both even. ``progress`` is called with (frames done, frames in all).
    """
    scene = Scene(seed, max(1, round(seconds * fps)), size)
    _encode(path, scene, fps, progress or (lambda done, total: None))
    truth = [scene.truth(index) for index in range(scene.frames)]
    write_truth(path.with_name("truth.jsonl"), truth)
    return truth


def _encode(path: Path, scene: Scene, fps: int, progress: Progress) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "21", "preset": "veryfast"})
        stream.width, stream.height = scene.size
        stream.pix_fmt = "yuv420p"
        for index in range(scene.frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene.frame(index), format="rgb24")))
            progress(index + 1, scene.frames)
        container.mux(stream.encode())


def write_truth(path: Path, truth: Truth) -> None:
    """One JSON line per frame: ``{"sequence": 0, "boxes": [{"label", "box", "part", "visible"}]}``."""
    lines = ({"sequence": number, "boxes": [asdict(box) for box in boxes]} for number, boxes in enumerate(truth))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def read_truth(path: Path) -> Truth:
    """What ``write_truth`` wrote."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [[Box(**{**box, "box": tuple(box["box"])}) for box in row["boxes"]] for row in rows]
