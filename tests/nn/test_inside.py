"""Tensors from inside a graph as outputs, and the scale of quantised ports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.nn.tiny import onnx_identity, tensorflow_graph, tflite_identity
from weft.core.errors import ModelError, UnavailableError
from weft.core.model import ModelOptions, Port
from weft.core.tensor import Tensor
from weft.nn.service import ModelService


def test_a_tensor_from_inside_is_an_output_beside_the_models_own() -> None:
    service, graph = ModelService(), tensorflow_graph([1, 2])
    model = service.load_bytes([graph], ModelOptions(outputs=("three:0",)))
    assert [port.name for port in model.info.outputs] == ["output", "three"]
    given = {"input": Tensor(np.array([[1, 2]], np.float32))}
    assert model.infer(given)["three"].array == 3
    assert model.infer(given, ["output"])["output"].array.tolist() == [[4, 5]]
    plain = service.load_bytes([graph])
    assert [port.name for port in plain.info.outputs] == ["output"]
    assert service.load_bytes([graph], ModelOptions(outputs=("three:0",))) is model


def test_a_tensor_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ModelError, match="the graph has no tensor nothing:0"):
        ModelService().load_bytes([tensorflow_graph([1, 2])], ModelOptions(outputs=("nothing:0",)))


@pytest.mark.parametrize("model", [onnx_identity("f32", [1, 4]), tflite_identity("f32", [1, 4])])
def test_an_engine_that_cannot_look_inside_says_so(model: bytes) -> None:
    with pytest.raises(UnavailableError, match="gives no tensors from inside") as caught:
        ModelService().load_bytes([model], ModelOptions(outputs=("x",)))
    assert caught.value.cure == "engine: openvino"


def test_a_quantised_port_tells_its_scale(data: Path) -> None:
    info = ModelService().load(data / "models" / "mnist_quant.tflite").info
    assert info.inputs[0].quantization == pytest.approx((1 / 127, 128), abs=1e-6)
    assert info.outputs[0].quantization == (1 / 256, 0)
    assert info.inputs[0] == Port("input", info.inputs[0].dtype, (1, 28, 28, 1))  # it is no part of a port's identity


def test_other_ports_tell_none() -> None:
    (port,) = ModelService().load_bytes([tflite_identity("u8", [1, 4])]).info.inputs
    assert port.quantization is None
