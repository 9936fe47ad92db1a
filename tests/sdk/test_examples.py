"""Each language's classification example gives the answer the C function that ships with Weft gives."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.building import LANGUAGES, Workshop
from weft import Frame, WeftError, load
from weft.core.resources import guest

PICTURES = ("cat.jpg", "whale.jpg")


def classify(module: Path, data: Path, **config: object) -> list[list[Mapping[str, Any]]]:
    """What a classifying function says of each picture."""
    config = {"labels": f"@{data}/labels/imagenet_1000.txt", **config}
    with load(module, models={"net": data / "models" / "mobilenetv2.onnx"}, config=config) as function:
        return [labels(function(Frame((data / "images" / name).read_bytes()))[0]) for name in PICTURES]


def labels(frame: Frame) -> list[Mapping[str, Any]]:
    assert frame.media_type == "application/json"
    found: list[Mapping[str, Any]] = json.loads(frame.payload)["labels"]
    return found


@pytest.fixture(scope="module")
def wanted(data: Path) -> list[list[Mapping[str, Any]]]:
    return classify(guest("classify"), data)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_example_answers_as_the_function_in_c(
    workshop: Workshop, data: Path, wanted: list[list[Mapping[str, Any]]], lang: str
):
    module = workshop.example(lang)
    answers = classify(module, data)
    for answer, reference in zip(answers, wanted, strict=True):
        assert [(label["label"], label["index"]) for label in answer] == [
            (label["label"], label["index"]) for label in reference
        ]
        assert [label["score"] for label in answer] == pytest.approx(
            [label["score"] for label in reference], abs=1e-3, rel=0
        )
    assert [answer[:2] for answer in answers] == classify(module, data, top=2), "top says how many"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_example_names_its_trouble(workshop: Workshop, data: Path, lang: str):
    module, net = workshop.example(lang), data / "models" / "mobilenetv2.onnx"
    assert "no model 'net' was granted" in refusal(module, b"")
    assert re.search(
        "(?is)(weft_init returned 1; .*|init failed: .*ValueError: config )top",
        refusal(module, b"", models={"net": net}, config={"top": 0}),
    )
    with load(module, models={"net": net}, config={"labels": 'a "quoted"\\ label\n' * 1000}) as function:
        with pytest.raises(WeftError, match="no picture"):
            function(Frame(b"text", media_type="image/jpeg"))
        [answer] = function(Frame((data / "images" / "cat.jpg").read_bytes()))
    assert {label["label"] for label in labels(answer)} == {'a "quoted"\\ label'}


def refusal(module: Path, payload: bytes, **options: Any) -> str:
    """Why a function does not take a frame."""
    with load(module, **options) as function, pytest.raises(WeftError) as caught:
        function(Frame(payload))
    return str(caught.value)
