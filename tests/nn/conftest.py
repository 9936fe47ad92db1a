"""Fixtures of the model tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.nn import tiny
from weft.core.model import ModelOptions
from weft.nn.loaded import LoadedModel
from weft.nn.service import ModelService

MAKERS = {
    "onnxruntime": tiny.onnx_identity,
    "openvino": tiny.onnx_identity,
    "litert": tiny.tflite_identity,
}
"""A model each engine reads, that gives back its input ``x`` as ``y``."""


@pytest.fixture
def service() -> ModelService:
    return ModelService()


@pytest.fixture(params=MAKERS)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def identity(engine: str, service: ModelService) -> Callable[..., LoadedModel]:
    """``identity(dtype, dims)``: the model, in the engine under test."""

    def load(dtype: str, dims: list[int], threads: int = 1) -> LoadedModel:
        content = MAKERS[engine](dtype, [-1 if dim is None else dim for dim in dims] if engine == "litert" else dims)
        return service.load_bytes([content], ModelOptions(engine=engine, threads=threads))

    return load
