"""guests/classify.c, the classifier that ships, on the reference models and pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.guests.build import REPOSITORY
from tests.wasm.harness import Driven, models
from weft.core.errors import GuestFailed
from weft.core.frame import Frame
from weft.core.tensor import Tensor
from weft.media.images import open_picture

PICTURES = ["cat.jpg", "whale.jpg", "grace_hopper.jpg", "cat_720p.jpg"]


def with_path() -> dict[str, str]:
    """An environment in which a child finds what this process found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture
def expected(data: Path) -> dict[str, Any]:
    return json.loads((data / "expected.json").read_text())


@pytest.fixture
def classify(guest: Callable[[str], Path], drive: Callable[..., Driven], data: Path) -> Callable[..., Driven]:
    """``classify("mobilenetv2.onnx", size="224")`` is the classifier with a model."""

    def make(model: str, **config: str) -> Driven:
        return drive(guest("classify"), models={"net": models().load(data / "models" / model)}, config=config)

    return make


def labels(driven: Driven, picture: Path) -> list[dict[str, Any]]:
    (emitted,) = driven.frames(Frame(picture.read_bytes(), media_type="image/jpeg"))
    assert emitted.media_type == "application/json"
    return json.loads(emitted.payload)["labels"]


@pytest.mark.parametrize("model", ["mobilenetv2.onnx", "squeezenet1.1.onnx"])
@pytest.mark.parametrize("picture", PICTURES)
def test_the_top_five_are_the_expected_ones(
    classify: Callable[..., Driven], data: Path, expected: dict[str, Any], model: str, picture: str
) -> None:
    driven = classify(model, labels=(data / "labels" / "imagenet_1000.txt").read_text())
    got = labels(driven, data / "images" / picture)
    wanted = expected["top5"][model][picture]
    assert [label["index"] for label in got] == [label["index"] for label in wanted]
    assert [label["label"] for label in got] == [label["label"] for label in wanted]
    assert [label["score"] for label in got] == pytest.approx([label["probability"] for label in wanted], abs=0.02)


@pytest.mark.parametrize(
    ("model", "size"), [("mobilenet_v2_quant.tflite", "224"), ("mobilenet_v1_025_128_quant.tflite", "128")]
)
def test_quantised_models_take_raw_pixels(classify: Callable[..., Driven], data: Path, model: str, size: str) -> None:
    """As the engine does when it is asked directly."""
    driven = classify(model, dtype="u8", layout="nhwc", size=size, top="3")
    net, side = models().load(data / "models" / model), int(size)
    for name in PICTURES:
        picture = data / "images" / name
        pixels = open_picture(picture.read_bytes()).pixels(side, side)
        (scores,) = net.infer({net.info.inputs[0].name: Tensor(pixels[np.newaxis])}).values()
        best = np.argsort(-scores.array.reshape(-1).astype(int), kind="stable")[:3]
        assert [label["index"] for label in labels(driven, picture)] == best.tolist()


def test_a_frame_that_is_no_picture_fails_alone(classify: Callable[..., Driven], data: Path) -> None:
    driven = classify("mobilenetv2.onnx")
    with pytest.raises(GuestFailed, match="the frame is no picture"):
        driven(b"no picture", media_type="image/jpeg")
    assert len(labels(driven, data / "images" / "cat.jpg")) == 5
    assert driven.handler.replaced == 0


def test_without_its_model_it_says_what_to_grant(guest: Callable[[str], Path], drive: Callable[..., Driven]) -> None:
    with pytest.raises(GuestFailed, match="no model 'net' was granted") as caught:
        drive(guest("classify"), name="sorter")()
    assert "--model net=FILE" in caught.value.cure


def test_a_model_of_another_dtype_is_said(classify: Callable[..., Driven], data: Path) -> None:
    driven = classify("mobilenet_v2_quant.tflite")
    with pytest.raises(GuestFailed, match="takes u8; the guest gave f32"):
        labels(driven, data / "images" / "cat.jpg")


def test_a_thousand_idle_instances_fit_into_a_gigabyte(
    classify: Callable[..., Driven], data: Path, guest: Callable[[str], Path]
) -> None:
    """In a process of its own, where nothing else counts."""
    program = f"""
import threading
from pathlib import Path
from tests.wasm.harness import models, settings
from weft.wasm.function import Function

def rss():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) * 1024

def main():
    model = models().load(Path({str(data / "models" / "mobilenetv2.onnx")!r}))
    function = Function(Path({str(guest("classify"))!r}), settings(models={{"net": model}}))
    before, handlers = rss(), [function.instance() for _ in range(1000)]
    for handler in handlers:
        handler.start()
    print(rss(), (rss() - before) // 1000)

threading.Thread(target=main).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, env=with_path(), capture_output=True, text=True, check=True
    )
    total, each = map(int, done.stdout.split())
    assert total < 2**30
    assert each < 700_000
