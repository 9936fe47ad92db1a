"""The pixels models get from ``pixels(224, 224)`` lead to the published answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from weft.core.dtypes import F32
from weft.media.images import open_picture
from weft.media.tensors import fill_tensor, tensor_size

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.data
@pytest.mark.parametrize("model", ["mobilenetv2.onnx", "squeezenet1.1.onnx"])
def test_models_answer_as_expected(data: Path, model: str) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data / "models" / model, options)
    for name, top in json.loads((data / "expected.json").read_text())["top5"][model].items():
        out = np.zeros(tensor_size(224, 224, F32), np.uint8)
        picture = open_picture((data / "images" / name).read_bytes())
        fill_tensor(picture, 224, 224, "nchw", F32, MEAN, STD, out)
        tensor = out.view(np.float32).reshape(1, 3, 224, 224)
        logits = session.run(None, {session.get_inputs()[0].name: tensor})[0].reshape(-1)
        odds = np.exp(logits - logits.max())
        odds /= odds.sum()
        assert np.argsort(-odds)[:5].tolist() == [entry["index"] for entry in top], name
        assert all(abs(odds[entry["index"]] - entry["probability"]) < 0.005 for entry in top), name
