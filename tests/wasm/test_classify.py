"""guests/classify.c, the classifier that ships, on the reference models and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wasm.harness import Driven, models
from weft.core.errors import GuestFailed
from weft.core.frame import Frame
from weft.core.limits import Limits

PICTURES = ["cat.jpg", "whale.jpg", "grace_hopper.jpg", "cat_720p.jpg"]


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
