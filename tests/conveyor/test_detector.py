"""The committed detector: small, honest about what it was measured to do, and good on a belt it never saw."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
import yaml
from conveyor import evaluate, measure, parts
from conveyor.measure import HERE, Detector
from conveyor.scene import Scene

UNSEEN = 900_500


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def metrics():
    return json.loads((HERE / "metrics.json").read_text())


def test_the_model_is_one_file_under_a_megabyte(metrics):
    size = (HERE / "detector.onnx").stat().st_size
    assert size < 1_000_000
    assert size == metrics["model_bytes"]


def test_model_metrics_and_pipeline_name_the_same_labels(detector, metrics):
    config = yaml.safe_load((HERE / "pipeline.yaml").read_text())["functions"]["detect"]["config"]
    assert tuple(detector.labels) == parts.LABELS == tuple(metrics["labels"]) == tuple(config["labels"].split(","))
    assert float(config["threshold"]) == metrics["threshold"] == measure.THRESHOLD


def test_the_metrics_were_measured_on_belts_the_training_never_saw(metrics):
    assert not set(metrics["seeds"]) & set(measure.TRAIN_SEEDS)
    assert list(measure.SEEDS) == metrics["seeds"]
    assert UNSEEN not in {*measure.TRAIN_SEEDS, *measure.SEEDS}


def test_the_metrics_are_good(metrics):
    assert metrics["boxes"]["precision"] >= 0.95
    assert metrics["boxes"]["recall"] >= 0.95
    assert metrics["parts"]["found"] >= 0.95 * metrics["parts"]["passed"]


def test_an_unseen_video_is_judged_well(detector):
    report = measure.measure(detector, UNSEEN, 2.5)
    assert report.boxes.right > 200
    assert report.boxes.precision >= 0.9
    assert report.boxes.recall >= 0.9


def test_an_empty_belt_and_a_black_frame_say_nothing(detector):
    scene = Scene(UNSEEN, 1)
    empty = scene.frame(0)
    empty[:] = np.median(empty, axis=(0, 1)).astype(np.uint8)
    assert detector.find(empty) == []
    assert detector.find(np.zeros((360, 640, 3), np.uint8)) == []


def test_boxes_come_best_first_inside_the_frame_and_apart(detector):
    seen = detector.find(Scene(UNSEEN, 1).frame(0), threshold=0.05)
    assert len(seen) > 3
    assert [item.score for item in seen] == sorted((item.score for item in seen), reverse=True)
    for number, item in enumerate(seen):
        assert all(0 <= edge <= 1 for edge in item.box)
        assert all(evaluate.overlap(item.box, other.box) <= measure.OVERLAP for other in seen[:number])


def test_the_tflite_file_says_the_same(detector):
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="the litert extra is not installed")
    interpreter = litert.Interpreter(str(HERE / "detector.tflite"))
    interpreter.allocate_tensors()
    frame = np.random.default_rng(0).random((1, 3, detector.height, detector.width), np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frame)
    interpreter.invoke()
    session = onnxruntime.InferenceSession(HERE / "detector.onnx", providers=["CPUExecutionProvider"])
    expected = session.run(["scores", "boxes"], {"image": frame})
    for port, values in zip(interpreter.get_output_details(), expected, strict=True):
        assert np.allclose(interpreter.get_tensor(port["index"]), values, atol=1e-4)


def test_the_readme_tells_the_measured_numbers(metrics):
    text = (HERE / "README.md").read_text()
    rows = {"all": metrics["boxes"], **metrics["labels"]}
    for name, rates in rows.items():
        assert f"| {name} | {rates['shown']} | {rates['precision']:.3f} | {rates['recall']:.3f} |" in text
    parts_row = metrics["parts"]
    assert f"Of {parts_row['passed']} parts {parts_row['found']} were found" in text
    assert f"{parts_row['false_alarms']} false alarms" in text
