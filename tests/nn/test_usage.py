"""Inferences are counted per model, and told to whoever watches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.nn import tiny
from weft.core.errors import TensorError
from weft.core.tensor import Tensor
from weft.nn.service import ModelService

ONE = Tensor(np.ones(1, np.float32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(tiny.onnx_identity("f32", [1]))
    return path


def test_every_inference_is_counted_from_any_thread(path: Path):
    service = ModelService()
    model = service.load(path)
    name = model.info.inputs[0].name
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.infer({name: ONE}), range(200)))
    with pytest.raises(TensorError):
        model.infer({"other": ONE})
    count, seconds = model.usage.read()
    assert count == 200
    assert 0 < seconds < 60
    assert service.loaded() == [model]


def test_whoever_watches_is_told_until_it_stops(path: Path):
    service = ModelService()
    model = service.load(path)
    told: list[tuple[str, float]] = []
    service.watch.tell = lambda name, seconds: told.append((name, seconds))
    model.infer({model.info.inputs[0].name: ONE})
    service.watch.tell = None
    model.infer({model.info.inputs[0].name: ONE})
    assert [name for name, _ in told] == ["net"]
    assert told[0][1] > 0


def test_models_nobody_holds_are_not_told_of(path: Path):
    service = ModelService()
    service.load(path)
    assert service.loaded() == []
