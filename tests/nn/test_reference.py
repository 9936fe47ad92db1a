"""Real models on real pictures give the answers that are written down, on every engine that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.nn import pictures
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor
from weft.nn.loaded import LoadedModel
from weft.nn.service import ModelService

pytestmark = pytest.mark.data
ONNX, TFLITE = ("onnxruntime", "openvino"), ("litert", "openvino")


@pytest.fixture(scope="module")
def loaded(data: Path):
    """``loaded(file, engine)``: a reference model; loaded once for the module."""
    service = ModelService()
    return lambda name, engine: service.load(data / "models" / name, ModelOptions(engine=engine))


def ask(model: LoadedModel, array: np.ndarray) -> list[np.ndarray]:
    """The outputs in order, of a model with one input."""
    [port] = model.info.inputs
    return [tensor.array for tensor in model.infer({port.name: Tensor(array)}).values()]


@pytest.mark.parametrize("engine", ONNX)
def test_squeezenet_matches_its_official_vector(data, loaded, engine):
    given = np.load(data / "models" / "squeezenet1.1_input.npy")
    expected = np.load(data / "models" / "squeezenet1.1_output.npy")
    [logits] = ask(loaded("squeezenet1.1.onnx", engine), given)
    assert np.abs(logits - expected).max() < 3e-4


@pytest.mark.parametrize("engine", ONNX)
@pytest.mark.parametrize("name", ["mobilenetv2.onnx", "squeezenet1.1.onnx"])
def test_imagenet_models_give_the_top_five(data, loaded, name, engine):
    expected = json.loads((data / "expected.json").read_text())["top5"][name]
    for picture, rows in expected.items():
        [logits] = ask(loaded(name, engine), pictures.imagenet(data / "images" / picture))
        shares = pictures.softmax(logits[0])
        assert np.argsort(-shares)[:5].tolist() == [row["index"] for row in rows]
        assert [shares[row["index"]] for row in rows] == pytest.approx([row["probability"] for row in rows], abs=0.02)


@pytest.mark.parametrize("engine", TFLITE)
def test_quantised_mobilenet_knows_the_uniform(data, loaded, engine):
    labels = (data / "labels" / "imagenet_1001.txt").read_text().splitlines()
    pixels = pictures.rgb(data / "images" / "grace_hopper.jpg", 224, 224)[None]
    [shares] = ask(loaded("mobilenet_v2_quant.tflite", engine), pixels)
    assert shares.dtype == np.uint8
    assert "military uniform" in labels[int(shares[0].argmax())]


@pytest.mark.parametrize(
    ("name", "engine"),
    [*(("mnist.onnx", engine) for engine in ONNX), *(("mnist_quant.tflite", engine) for engine in TFLITE)],
)
def test_mnist_reads_ten_of_ten(data, loaded, name, engine):
    model = loaded(name, engine)
    [port] = model.info.inputs
    read = []
    for digit in range(10):
        with Image.open(data / "images" / "mnist" / f"{digit}.png") as picture:
            pixels = np.asarray(picture.convert("L"), port.dtype.numpy).reshape(port.shape)
        read.append(int(ask(model, pixels)[0].argmax()))
    assert read == list(range(10))


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        *(("face_rfb320.onnx", engine) for engine in ONNX),
        *(("face_rfb320_raw.tflite", engine) for engine in TFLITE),
    ],
)
@pytest.mark.parametrize("picture", ["faces_4.jpg", "face_1.jpg"])
def test_faces_are_counted(data, loaded, name, engine, picture):
    expected = json.loads((data / "expected.json").read_text())["faces"][picture]
    pixels = (pictures.rgb(data / "images" / picture, 320, 240).astype(np.float32) - 127) / 128
    given = pixels[None] if name.endswith(".tflite") else pixels.transpose(2, 0, 1)[None]
    heads = {array.shape[-1]: array for array in ask(loaded(name, engine), given)}
    boxes = pictures.face_boxes(heads[4]) if name.endswith(".tflite") else heads[4]
    found = pictures.faces(heads[2], boxes)
    assert len(found) == expected["faces"]
    assert found[0, :4] == pytest.approx(expected["top"][0][:4], abs=0.02)


def test_plus3_adds_three_whatever_the_rank(loaded):
    """Its input has no rank: OpenVINO compiles it when it first sees one."""
    model = loaded("plus3.pb", "openvino")
    assert str(model.info.inputs[0]) == "input: f32[…]"
    for shape in [(1, 4), (3,), (2, 2, 2), (1, 4)]:
        [result] = ask(model, np.ones(shape, np.float32))
        assert np.array_equal(result, np.full(shape, 4, np.float32))


@pytest.mark.parametrize("engine", ONNX)
def test_identity_gives_back_its_input(loaded, engine):
    [result] = ask(loaded("identity.onnx", engine), np.float32([[1, 2, 3, 4]]))
    assert result.tolist() == [[1, 2, 3, 4]]
