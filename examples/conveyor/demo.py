"""The demo: draw a fresh belt, run the detector over it in the sandbox, and score it against the truth.

Everything lands in one folder, which then is a complete example of its own: ``weft run FOLDER/pipeline.yaml``.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from weft.core import resources
from weft.core.errors import OutputError
from weft.flow.pipeline import Pipeline
from weft.flow.summary import Summary

from . import belt, evaluate
from .scene import SIZE

HERE = Path(__file__).parent

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made and how the detector did.

    Attributes:
        folder: where everything is: belt.mp4, truth.jsonl, annotated.mp4, results.jsonl, score.json, pipeline.yaml.
        report: found, missed and false alarms.
        summary: the pipeline's own numbers.
        drawn_s: seconds it took to draw the belt.
    """

    folder: Path
    report: evaluate.Report
    summary: Summary
    drawn_s: float

    @property
    def annotated(self) -> Path:
        """The video with the boxes drawn into it."""
        return self.folder / "annotated.mp4"

    @property
    def results(self) -> Path:
        """What the function said, a JSON line per frame."""
        return self.folder / "results.jsonl"


def run(
    out_dir: Path,
    seed: int = 1,
    seconds: float = 10.0,
    progress: Progress | None = None,
    *,
    guest: Path | None = None,
    size: tuple[int, int] = SIZE,
) -> Demo:
    """The whole demo in ``out_dir``, which is made if it is not there; what it holds of an older run is replaced.

    ``progress`` is called with what is being done ("draw", "detect"), frames done, frames in all. ``guest`` is the
    compiled function, the one Weft ships if it is not given; ``size`` is that of the video, in pixels.
    Raises NotFoundError when the function is not there, OutputError when the folder cannot be written, and what a
    pipeline raises.
    """
    tell = progress or (lambda what, done, total: None)
    _lay_out(out_dir, guest or resources.guest("detect"))
    began = time.perf_counter()
    truth = belt.render(out_dir / "belt.mp4", seed, seconds, size=size, progress=partial(tell, "draw"))
    drawn_s = time.perf_counter() - began
    summary = _detect(out_dir / "pipeline.yaml", len(truth), tell)
    report = evaluate.score(evaluate.read_results(out_dir / "results.jsonl"), truth)
    (out_dir / "score.json").write_text(json.dumps(report.record(), indent=2) + "\n", "utf-8")
    return Demo(out_dir, report, summary, drawn_s)


def _lay_out(folder: Path, guest: Path) -> None:
    """Copy the pipeline, the model and the function into ``folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in (HERE / "pipeline.yaml", HERE / "detector.onnx"):
            shutil.copyfile(source, folder / source.name)
        shutil.copyfile(guest, folder / "detect.wasm")
    except OSError as error:
        cure = "name a folder that can be written"
        raise OutputError(f"the demo cannot be laid out: {error.strerror}", where=str(folder), cure=cure) from error


def _detect(document: Path, frames: int, tell: Progress) -> Summary:
    def watch(summary: Summary) -> None:
        tell("detect", summary.stage("results").frames_out, frames)

    return Pipeline.load(document).run(progress=watch)
