"""The demo: draw a fresh belt, run the detector over it in the sandbox, and score it against the truth.

Everything lands in one folder, which then is a complete example of its own: ``weft run FOLDER/pipeline.yaml``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
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

MARK = ".demo.json"
"""The digests of what was laid out, by which a later demo knows what it may replace."""

MADE = ("belt.mp4", "truth.jsonl", "annotated.mp4", "results.jsonl", "score.json")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made and how the detector did.

    Attributes:
        folder: where everything is: belt.mp4, truth.jsonl, annotated.mp4, results.jsonl, score.json, pipeline.yaml.
        report: found, missed and false alarms.
        summary: the pipeline's own numbers.
        drawn_s: seconds it took to draw the belt.
        replaced: an older demo was in the folder.
    """

    folder: Path
    report: evaluate.Report
    summary: Summary
    drawn_s: float
    replaced: bool = False

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
    """The whole demo in ``out_dir``, which is made if it is not there; an older demo in it is replaced.

    A pipeline, model or function there that was changed since is not, nor is anything that no demo made.
    ``progress`` is called with what is being done ("draw", "detect"), frames done, frames in all. ``guest`` is the
    compiled function, the one Weft ships if it is not given; ``size`` is that of the video, in pixels.
    Raises NotFoundError when the function is not there, OutputError when the folder cannot be written, and what a
    pipeline raises.
    """
    tell = progress or (lambda what, done, total: None)
    replaced = lay_out(out_dir, guest or resources.guest("detect"))
    began = time.perf_counter()
    truth = belt.render(out_dir / "belt.mp4", seed, seconds, size=size, progress=partial(tell, "draw"))
    drawn_s = time.perf_counter() - began
    summary = _detect(out_dir / "pipeline.yaml", len(truth), tell)
    report = evaluate.score(evaluate.read_results(out_dir / "results.jsonl"), truth)
    (out_dir / "score.json").write_text(json.dumps(report.record(), indent=2) + "\n", "utf-8")
    return Demo(out_dir, report, summary, drawn_s, replaced)


def lay_out(folder: Path, guest: Path) -> bool:
    """Copy the pipeline, the model and the function into ``folder``; True when that replaces an older demo."""
    parts = {"pipeline.yaml": HERE / "pipeline.yaml", "detector.onnx": HERE / "detector.onnx", "detect.wasm": guest}
    digests = {name: _digest(source) for name, source in parts.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replaced = _check_replaceable(folder, digests)
        (folder / MARK).write_text(json.dumps(digests) + "\n", "utf-8")
        for name, source in parts.items():
            shutil.copyfile(source, folder / name)
        return replaced
    except OSError as error:
        cure = "name a folder that can be written"
        raise OutputError(f"the demo cannot be laid out: {error.strerror}", where=str(folder), cure=cure) from error


def _check_replaceable(folder: Path, digests: Mapping[str, str]) -> bool:
    """False for a folder with nothing of a demo's in it. Raises OutputError for what somebody may still want."""
    present = [name for name in (*digests, *MADE) if (folder / name).exists()]
    laid_out = _marked(folder) or digests
    for name in present:
        made_here = name in MADE and (folder / "pipeline.yaml").exists()
        if not made_here and _digest(folder / name) not in (laid_out.get(name), digests.get(name)):
            what = f"{name} there is not as a demo left it, and would be replaced"
            cure = f"name another folder, as in: weft demo -o {folder}-2"
            raise OutputError(what, where=str(folder), cure=cure)
    return bool(present)


def _marked(folder: Path) -> Mapping[str, str]:
    try:
        found = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _detect(document: Path, frames: int, tell: Progress) -> Summary:
    def watch(summary: Summary) -> None:
        tell("detect", summary.stage("results").frames_out, frames)

    return Pipeline.load(document).run(progress=watch)
