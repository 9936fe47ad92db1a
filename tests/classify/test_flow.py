"""Classifiers at work: real models and tiny ones, alone, in pipelines and in Python."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import weft
from tests.classify.making import (
    Write,
    handler,
    labels_of,
    load,
    picture,
    pixels_model,
    two_headed_model,
)
from tests.nn.pictures import rgb
from weft.core.errors import (
    DocumentError,
    MediaError,
    ModelError,
    NotFoundError,
    TimeLimitError,
    UnavailableError,
    UsageError,
)
from weft.core.frame import Frame
from weft.core.limits import Limits
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor
from weft.flow import classifier
from weft.flow.functions import models
from weft.flow.validate import validate_pipeline

IMAGENET = "input: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}"
PICTURES = ("cat.jpg", "cat_720p.jpg", "grace_hopper.jpg", "whale.jpg")
SMALL = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def image(data: Path, name: str) -> Frame:
    return Frame((data / "images" / name).read_bytes(), sequence=3)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("model", ["mobilenetv2.onnx", "squeezenet1.1.onnx"])
def test_the_top_five_are_the_expected_ones(data: Path, document: Write, model: str, engine: str) -> None:
    expected = json.loads((data / "expected.json").read_text())["top5"][model]
    work = handler(
        document(f"""
            model: {{path: {data}/models/{model}, engine: {engine}}}
            {IMAGENET}
            output: {{label: {data}/labels/imagenet_1000.txt}}
        """)
    )
    for name in PICTURES:
        found = labels_of(work.handle(image(data, name)))
        assert [(entry["index"], entry["label"]) for entry in found] == [
            (entry["index"], entry["label"]) for entry in expected[name]
        ]
        assert [entry["score"] for entry in found] == pytest.approx(
            [entry["probability"] for entry in expected[name]], abs=0.02
        )


@pytest.mark.parametrize(
    ("model", "side", "label"),
    [
        ("mobilenet_v2_quant.tflite", 224, "{labels}/imagenet_1001.txt"),
        ("mobilenet_v1_025_128_quant.tflite", 128, "{{path: {labels}/imagenet_1000.txt, offset: 1}}"),
    ],
)
def test_quantised_models_answer_as_the_bare_engine_does(
    data: Path, document: Write, model: str, side: int, label: str
) -> None:
    path = data / "models" / model
    shown = label.format(labels=data / "labels")
    work = handler(document(f"model: {path}\noutput: {{label: {shown}}}"))
    bare = models().load(path)
    for name in PICTURES:
        pixels = rgb(data / "images" / name, side, side).astype(np.uint8)[None]
        ((scale, zero_point),) = [port.quantization or (0, 0) for port in bare.info.outputs]
        (scores,) = bare.infer({bare.info.inputs[0].name: Tensor(pixels)}).values()
        expected = (scores.array[0].astype(float) - zero_point) * scale
        found = labels_of(work.handle(image(data, name)))
        # Scaled decoding moves pixels a little: the best class must be the same, the scores close.
        assert found[0]["index"] in np.flatnonzero(expected >= expected.max() - 0.02)
        assert found[0]["score"] == pytest.approx(expected.max(), abs=0.05)
    cat = labels_of(work.handle(image(data, "cat_720p.jpg")))
    assert any("cat" in entry["label"] for entry in cat[:2])


@pytest.mark.parametrize(
    ("model", "said"), [("mnist.onnx", "input: {type: luma8}"), ("mnist_quant.tflite", "output: {top: 5}")]
)
def test_every_digit_is_read(data: Path, document: Write, model: str, said: str) -> None:
    work = handler(document(f"model: {data}/models/{model}\n{said}"))
    digits = [labels_of(work.handle(image(data, f"mnist/{digit}.png")))[0] for digit in range(10)]
    assert [entry["label"] for entry in digits] == [str(digit) for digit in range(10)]
    assert all(0.9 < entry["score"] <= 1 for entry in digits)


def test_a_quantised_model_on_an_engine_that_does_not_know_its_steps_asks(data: Path, document: Write) -> None:
    model = f"model: {{path: {data}/models/mnist_quant.tflite, engine: openvino}}\n"
    with pytest.raises(DocumentError, match="say scale and zero_point"):
        load(document(model))
    work = handler(document(model + "output: {scale: 0.00390625}"))
    assert labels_of(work.handle(image(data, "mnist/4.png")))[0] == {"label": "4", "index": 4, "score": 0.996094}


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("kind", "channel"), [("rgb8", 0), ("bgr8", 2)])
def test_each_pixel_gets_to_its_place(tmp_path: Path, document: Write, layout: str, kind: str, channel: int) -> None:
    dims = [1, 3, 2, 2] if layout == "nchw" else [1, 2, 2, 3]
    pixels_model(tmp_path / "m.onnx", list(dims), scores=[1, 12])
    work = handler(document(f"model: m.onnx\ninput: {{type: {kind}}}\noutput: {{type: scores, top: 12}}"))
    scores = {entry["index"]: entry["score"] for entry in labels_of(work.handle(picture(SMALL)))}
    ordered = SMALL if kind == "rgb8" else SMALL[..., ::-1]
    expected = (ordered.transpose(2, 0, 1) if layout == "nchw" else ordered).ravel()
    assert [scores[index] for index in range(12)] == expected.tolist()
    assert scores[0] == SMALL[0, 0, channel]


def test_open_dimensions_are_filled_in_by_the_document_and_by_trying(tmp_path: Path, document: Write) -> None:
    pixels_model(tmp_path / "m.onnx", ["n", 3, "h", "w"], scores=["n", "classes"])
    function = load(document("model: m.onnx\ninput: {size: 2x2, type: rgb8}\noutput: {type: scores}"))
    assert function.scores.classes == 12
    assert labels_of(function.instance().handle(picture(SMALL)))[0] == {"label": "11", "index": 11, "score": 11}


def test_one_of_several_outputs_is_chosen_by_name(tmp_path: Path, document: Write) -> None:
    two_headed_model(tmp_path / "m.onnx")
    with pytest.raises(DocumentError, match="has 2 outputs"):
        load(document("model: m.onnx"))
    assert load(document("model: m.onnx\noutput: {name: second}")).scores.rule == "scores"
    assert load(document("model: m.onnx\ninput: {type: rgb8}\noutput: {name: first}")).scores.rule == "softmax"


def test_a_result_keeps_what_tells_its_frame(tmp_path: Path, document: Write) -> None:
    pixels_model(tmp_path / "m.onnx", [1, 3, 2, 2], scores=[1, 12])
    (result,) = handler(document("model: m.onnx\noutput: {type: scores}")).handle(picture(SMALL))
    assert (result.source, result.sequence, result.time_ns, result.stream) == ("cam", 7, 3, "")


def test_a_document_and_a_model_that_disagree_are_told_with_their_lines(data: Path, document: Write) -> None:
    path = document(f"""\
        model: {{path: {data}/models/mobilenetv2.onnx, type: tflite}}
        input:
          size: 128x128
          layout: nhwc
        output:
          label: {data}/labels/imagenet_1001.txt
    """)
    with pytest.raises(DocumentError) as caught:
        load(path)
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [
        ("model.type", 1),
        ("input.size", 3),
        ("input.layout", 4),
        ("output.label", 6),
    ]
    assert caught.value.where == str(path)


def test_a_model_that_is_none_or_an_engine_that_is_not_there_is_told(data: Path, document: Write) -> None:
    with pytest.raises(ModelError, match="JPEG picture"):
        load(document(f"model: {data}/images/cat.jpg"))
    with pytest.raises(UnavailableError):
        load(document(f"model: {{path: {data}/models/mobilenetv2.onnx, device: 'cuda:7'}}"))
    with pytest.raises(NotFoundError):
        load(Path("none.yaml"))


def test_a_frame_that_is_no_picture_fails_and_the_next_is_sound(tmp_path: Path, document: Write) -> None:
    pixels_model(tmp_path / "m.onnx", [1, 3, 2, 2], scores=[1, 12])
    work = handler(document("model: m.onnx\noutput: {type: scores}"))
    with pytest.raises(MediaError, match=r"^classify: no picture"):
        work.handle(Frame(b"hello"))
    assert len(labels_of(work.handle(picture(SMALL)))) == 5


def test_a_frame_that_took_too_long_fails_when_the_engine_is_done(
    tmp_path: Path, document: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels_model(tmp_path / "m.onnx", [1, 3, 2, 2], scores=[1, 12])
    work = load(document("model: m.onnx\noutput: {type: scores}"), limits=Limits(time=0.5)).instance()
    clock = iter([10.0, 10.75, 20.0, 20.25])
    monkeypatch.setattr(classifier, "monotonic", lambda: next(clock))
    with pytest.raises(TimeLimitError, match=r"took 0.75 s, and may take 0.5 s"):
        work.handle(picture(SMALL))
    assert work.handle(picture(SMALL))


def test_options_that_a_document_says_itself_are_refused(tmp_path: Path, document: Write) -> None:
    pixels_model(tmp_path / "m.onnx", [1, 3, 2, 2], scores=[1, 12])
    path = document("model: m.onnx")
    with pytest.raises(UsageError, match="config, args: a classifier says all in its document"):
        load(path, config={"a": "b"}, args=("x",))


def test_handlers_share_the_model_and_have_buffers_of_their_own(tmp_path: Path, document: Write) -> None:
    pixels_model(tmp_path / "m.onnx", [1, 3, 16, 16], scores=[1, 768])
    function = load(document("model: m.onnx\ninput: {type: rgb8}\noutput: {type: scores, top: 1}"))
    wrong: list[Any] = []

    def work(number: int) -> None:
        one, frame = function.instance(), picture(np.full((16, 16, 3), number))
        wrong.extend(found for _ in range(50) if (found := labels_of(one.handle(frame))[0]["score"]) != number)

    threads = [threading.Thread(target=work, args=(number,)) for number in (10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_classifier_is_a_function_of_pipelines(tmp_path: Path, document: Write) -> None:
    pixels_model(tmp_path / "m.onnx", [1, 3, 2, 2], scores=[1, 12])
    document("model: m.onnx\ninput: {type: rgb8}\noutput: {type: scores, top: 1}")
    for number in range(20):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(tmp_path / f"{number:02}.png")
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        "sources: {cam: {type: pictures, path: '*.png'}}\n"
        "functions: {names: {classify: classify.yaml, inputs: [cam], replicas: 3, limits: {time: 5s}}}\n"
        "sinks: {out: {type: jsonl, path: out.jsonl, inputs: [names]}}\n"
    )
    assert validate_pipeline(path).stages["functions"] == 1
    assert weft.Pipeline.load(path).run().stage("names").frames_out == 20
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["payload"]["labels"][0]["score"] for row in rows] == list(range(20))


def test_a_pipeline_names_what_is_wrong_in_a_classifiers_document(data: Path, tmp_path: Path, document: Write) -> None:
    document(f"model: {data}/models/mnist.onnx\ninput: {{size: 8}}\noutput: {{label: [a]}}")
    path = tmp_path / "pipeline.yaml"
    path.write_text(
        "sources: {cam: {type: pattern}}\nfunctions:\n  names:\n    classify: classify.yaml\n    inputs: [cam]\n"
        "sinks: {out: {type: console, inputs: [names]}}\n"
    )
    with pytest.raises(DocumentError) as caught:
        validate_pipeline(path)
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [("functions.names.classify", 4)] * 2
    assert "classify.yaml: line 2: input.size: is 8x8" in caught.value.problems[0].message


def test_a_classifier_is_loaded_in_python(data: Path, document: Write) -> None:
    path = document(f"model: {data}/models/mnist.onnx\ninput: {{type: luma8}}\noutput: {{top: 1}}")
    with weft.load(path) as read:
        assert [labels_of(read(image(data, f"mnist/{digit}.png")))[0]["index"] for digit in (3, 8)] == [3, 8]
    with pytest.raises(UsageError, match="models"):
        weft.load(path, models={"net": (data / "models" / "mnist.onnx", ModelOptions())})
