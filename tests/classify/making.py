"""What these tests share: tiny models whose scores are the pixels they got, and documents around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from PIL import Image

from weft.core.frame import Frame
from weft.core.protocols import Handler
from weft.flow.classifier import Classifier, load_classifier
from weft.flow.functions import FunctionOptions

Dims = list[int | str]
Write = Callable[[str], Path]
_TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16, "u8": TensorProto.UINT8, "i8": TensorProto.INT8}


def pixels_model(path: Path, dims: Dims, dtype: str = "f32", scores: Dims | None = None, op: str = "Flatten") -> Path:
    """A model with the input ``x`` and the output ``y``, whose scores are the numbers it got."""
    kind = _TYPES[dtype]
    ports = [helper.make_tensor_value_info("x", kind, dims), helper.make_tensor_value_info("y", kind, scores)]
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "pixels", ports[:1], ports[1:])
    return saved(path, graph)


def two_headed_model(path: Path) -> Path:
    """A model with one input and two outputs of scores, ``first`` and ``second``."""
    nodes = [helper.make_node("Flatten", ["x"], ["first"]), helper.make_node("Softmax", ["first"], ["second"])]
    names = {"x": [1, 3, 2, 2], "first": [1, 12], "second": [1, 12]}
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in names.items()]
    return saved(path, helper.make_graph(nodes, "heads", ports[:1], ports[1:]))


def saved(path: Path, graph: Any) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def load(path: Path, **options: Any) -> Classifier:
    return load_classifier(path, FunctionOptions(**options))


def handler(path: Path) -> Handler:
    return load(path).instance()


def labels_of(frames: Any) -> list[dict[str, Any]]:
    """The labels of a handler's only result."""
    (result,) = frames
    assert result.media_type == "application/json"
    found: list[dict[str, Any]] = json.loads(result.payload)["labels"]
    return found


def png(pixels: Any) -> bytes:
    """A picture file that keeps every pixel."""
    out = BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(out, "PNG")
    return out.getvalue()


def picture(pixels: Any) -> Frame:
    return Frame(png(pixels), media_type="image/png", stream="cam", source="cam", sequence=7, time_ns=3)
