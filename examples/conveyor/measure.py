"""Measures ``detector.onnx`` on belts the training never saw, and writes ``metrics.json``.

    cd examples && python -m conveyor.measure

Each video is drawn, encoded, decoded again and scored as ``evaluate`` says. No torch, no sandbox: the engine is
called directly, and ``Detector`` does in Python what ``guests/detect.c`` does in the sandbox.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import belt, evaluate
from .evaluate import Report, Seen, Tally
from .parts import LABELS

HERE = Path(__file__).parent
TRAIN_SEEDS = range(100_000, 100_250)
SEEDS = (*range(900_001, 900_013), *range(910_001, 910_013))
SECONDS = 10.0
THRESHOLD = 0.5
OVERLAP = 0.5


class Detector:
    """The trained model, called in this process."""

    def __init__(self, path: Path = HERE / "detector.onnx", threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.labels: list[str] = self._session.get_modelmeta().custom_metadata_map["labels"].split(",")
        _, _, self.height, self.width = self._session.get_inputs()[0].shape

    def find(self, frame: Any, threshold: float = THRESHOLD) -> list[Seen]:
        """The parts in a picture u8 [h, w, 3], best first."""
        image = Image.fromarray(frame).resize((self.width, self.height), Image.Resampling.BILINEAR)
        tensor = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
        scores, boxes = self._session.run(["scores", "boxes"], {"image": np.ascontiguousarray(tensor)})
        seen = [
            Seen(self.labels[label], float(scores[0, label, cell]), tuple(boxes[0, :, cell].tolist()))
            for label, cell in zip(*np.nonzero(scores[0] >= threshold), strict=True)
        ]
        return suppress(sorted(seen, key=lambda item: -item.score))


def suppress(seen: list[Seen], most: float = OVERLAP) -> list[Seen]:
    """Without each box that overlaps a better one (boxes come best first) by more than ``most``."""
    kept: list[Seen] = []
    for item in seen:
        if all(evaluate.overlap(item.box, other.box) <= most for other in kept):
            kept.append(item)
    return kept


def frames_of(path: Path) -> Iterator[Any]:
    """The frames of a video, u8 RGB [h, w, 3]."""
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def measure(detector: Detector, seed: int, seconds: float, threshold: float = THRESHOLD) -> Report:
    """Draw a video, run the detector over it, and score it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "belt.mp4"
        truth = belt.render(path, seed, seconds)
        results = {number: detector.find(frame, threshold) for number, frame in enumerate(frames_of(path))}
    return evaluate.score(results, truth)


def summary(reports: dict[int, Report], size: int) -> dict[str, Any]:
    """All reports in one, as ``metrics.json`` has it."""
    labels = {name: _sum([r.labels[name] for r in reports.values() if name in r.labels]) for name in LABELS}
    return {
        "model_bytes": size,
        "threshold": THRESHOLD,
        "iou": evaluate.SAME_BOX,
        "seeds": list(reports),
        "seconds_each": SECONDS,
        "frames": sum(r.frames for r in reports.values()),
        "boxes": _rates(_sum([r.boxes for r in reports.values()])),
        "labels": {name: _rates(tally) for name, tally in labels.items()},
        "parts": {
            "passed": sum(len(r.parts) for r in reports.values()),
            "found": sum(r.found for r in reports.values()),
            "missed": sum(r.missed for r in reports.values()),
            "false_alarms": sum(r.false_alarms for r in reports.values()),
        },
    }


def _sum(tallies: list[Tally]) -> Tally:
    return Tally(sum(t.right for t in tallies), sum(t.wrong for t in tallies), sum(t.missed for t in tallies))


def _rates(tally: Tally) -> dict[str, float]:
    shown = tally.right + tally.missed
    return {"shown": shown, "precision": round(tally.precision, 4), "recall": round(tally.recall, 4)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=HERE / "detector.onnx")
    parser.add_argument("--out", type=Path, default=HERE / "metrics.json")
    options = parser.parse_args()
    detector, reports = Detector(options.model), {}
    for seed in SEEDS:
        reports[seed] = measure(detector, seed, SECONDS)
        print(f"seed {seed}: {reports[seed]}", flush=True)
    metrics = summary(reports, options.model.stat().st_size)
    options.out.write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
    print(json.dumps(metrics["boxes"]), json.dumps(metrics["parts"]))


if __name__ == "__main__":
    main()
