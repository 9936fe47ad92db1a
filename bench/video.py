"""A whole video through a pipeline, against the loop people write by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from bench.baseline import video_loop
from bench.harness import DATA, Result, alternate, median_ratio, medians
from weft.core.resources import guest
from weft.flow.pipeline import Pipeline

VIDEO = DATA / "video" / "hot-dog.mp4"
MODEL = DATA / "models" / "mobilenetv2.onnx"
LABELS = DATA / "labels" / "imagenet_1000.txt"
ROUNDS = 3


def run() -> Iterator[Result]:
    """hot-dog.mp4 → MobileNetV2 function → JSON lines: one instance with both cores, and one instance per core."""
    labels = LABELS.read_text().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        one, two = (_document(Path(folder), replicas) for replicas in (1, 2))
        taken = alternate(
            ROUNDS,
            one_replica=lambda: Pipeline.load(one).run(),
            two_replicas=lambda: Pipeline.load(two).run(),
            by_hand=lambda: video_loop(VIDEO, MODEL, labels, Path(folder) / "baseline.jsonl"),
        )
        frames = len((Path(folder) / "baseline.jsonl").read_text().splitlines())
        assert len((Path(folder) / "results-2.jsonl").read_text().splitlines()) == frames
    for name in ("two_replicas", "one_replica"):
        title = f"pipeline: hot-dog.mp4 over a loop by hand, {name.replace('_', ' ')}"
        yield Result(title, median_ratio(taken, name, "by_hand"), "ratio", 1.0, "higher", medians(taken, frames))


def _document(folder: Path, replicas: int) -> Path:
    path = folder / f"pipeline-{replicas}.yaml"
    threads = 0 if replicas == 1 else 1
    path.write_text(
        dedent(f"""\
        sources:
          cam: {{type: video, path: {VIDEO}}}
        functions:
          classify:
            wasm: {guest("classify")}
            inputs: [cam]
            models: {{net: {{path: {MODEL}, threads: {threads}}}}}
            config: {{labels: "@{LABELS}", top: 1}}
            replicas: {replicas}
        sinks:
          results: {{type: jsonl, path: results-{replicas}.jsonl, inputs: [classify]}}
        """)
    )
    return path
