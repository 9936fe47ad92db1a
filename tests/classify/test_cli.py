"""``weft run classify.yaml``, as a user would type it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.classify.making import Write, pixels_model, png
from weft.cli.classify import lines
from weft.cli.main import main

RED = png([[[255, 0, 0]] * 2] * 2)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(*words: object, stdin: bytes = RED) -> Done:
        reader, writer = os.pipe()
        os.write(writer, stdin)
        os.close(writer)
        with os.fdopen(reader) as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            code = main([str(word) for word in words])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture
def classify(tmp_path: Path, document: Write) -> Path:
    pixels_model(tmp_path / "m.onnx", [1, 3, 2, 2], scores=[1, 12])
    names = ["red", "b,c", 'd "e"', "ö", *map(str, range(8))]
    return document(
        f"model: m.onnx\ninput: {{type: rgb8}}\noutput: {{type: scores, top: 5, label: {json.dumps(names)}}}"
    )


def test_the_cat_is_named_in_a_process_of_its_own(data: Path, document: Write) -> None:
    path = document(f"""
        model: {data}/models/mobilenetv2.onnx
        input: {{mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}
        output: {{label: {data}/labels/imagenet_1000.txt}}
    """)
    with (data / "images" / "cat_720p.jpg").open("rb") as cat:
        done = subprocess.run(
            [sys.executable, "-m", "weft", "run", path], stdin=cat, capture_output=True, text=True, check=True
        )
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert [row[0] for row in rows][:2] == ["n02124075 Egyptian cat", "n02123045 tabby, tabby cat"]
    assert float(rows[0][1]) == pytest.approx(0.8002, abs=0.02)
    assert done.stderr == ""


def test_labels_with_commas_and_quotes_are_quoted(command: Command, classify: Path) -> None:
    assert command("run", classify).out == 'red,255\n"b,c",255\n"d ""e""",255\nö,255\n0,0\n'


def test_json_is_one_object_per_frame(command: Command, classify: Path) -> None:
    done = command("run", classify, "--json")
    assert done.out.count("\n") == 1
    assert json.loads(done.out)["labels"][1] == {"label": "b,c", "index": 1, "score": 255}


def test_values_are_printed_as_they_stand_in_the_json() -> None:
    assert lines(b'{"labels": [{"label": "a", "score": 1e-07}, {"label": "b", "score": 0.10}]}') == "a,1e-07\nb,0.10\n"


def test_a_threshold_nothing_reaches_prints_nothing(command: Command, classify: Path) -> None:
    classify.write_text(classify.read_text().replace("top: 5", "threshold: 1000"))
    assert command("run", classify).out == ""
    assert json.loads(command("run", classify, "--json").out) == {"labels": []}


def test_what_is_no_picture_is_told(command: Command, classify: Path) -> None:
    done = command("run", classify, stdin=b"hello")
    assert done.code == 65
    assert "no picture Weft reads" in done.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--model", "net=x"], "--model"),
        (["--memory", "1MiB"], "--memory"),
        (["--engine", "openvino"], "--engine"),
        (["--trace-host"], "--trace-host"),
    ],
)
def test_options_that_the_document_says_are_refused(
    command: Command, classify: Path, words: list[str], named: str
) -> None:
    done = command("run", classify, *words)
    assert done.code == 64
    assert f"{named}: a classifier says this in its document" in done.err


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["--summary", "s.json"], "leave out --summary"),
        (["--connect", "quic/edge:7447"], "weft function FILE --observe STREAM --emit STREAM"),
    ],
)
def test_options_of_a_pipeline_are_refused(command: Command, classify: Path, words: list[str], cure: str) -> None:
    done = command("run", classify, *words)
    assert done.code == 64
    assert f"{words[0]}: only a pipeline has that" in done.err
    assert cure in done.err


def test_a_picture_comes_on_standard_input(command: Command, classify: Path) -> None:
    done = command("run", classify, "cat.jpg", "dog.jpg")
    assert done.code == 64
    assert f"weft run {classify} < cat.jpg; for many pictures, a pipeline" in done.err


def test_a_time_limit_and_a_media_type_may_be_given(command: Command, classify: Path) -> None:
    assert command("run", classify, "--timeout", "30s", "--media-type", "image/png").code == 0


def test_json_is_for_classifiers(command: Command, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("sources: {}\n")
    assert "a pipeline says this in its document" in command("run", tmp_path / "p.yaml", "--json").out
    assert "write it after --" in command("run", "weft:classify", "--json").out


def test_documents_of_no_kind_and_of_both_are_told(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\n")
    for verb in ("run", "validate"):
        done = command(verb, path)
        assert (done.code, "neither a pipeline nor a classifier" in done.err) == (78, True)
    path.write_text("sources: {}\nmodel: m\n")
    assert "line 2: model: is a key of a classifier" in command("run", path).err


def test_validate_tells_what_was_settled(command: Command, classify: Path) -> None:
    done = command("validate", classify)
    assert done.out == (
        f"{classify}: right; takes x: rgb8 2x2 as f32[1, 3, 2, 2]; gives y: 12 classes, scores, the best 5\n"
    )
    assert json.loads(command("validate", classify, "--json").out)["labels"] == "12 names"


def test_validate_tells_mistakes_of_the_document_and_of_the_model(command: Command, classify: Path) -> None:
    written = classify.read_text()
    classify.write_text(written.replace("rgb8", "rgb9"))
    assert "line 2: input.type: 'rgb9' is no choice here" in command("validate", classify).err
    classify.write_text(written.replace("rgb8", "luma8"))
    done = command("validate", classify)
    assert (done.code, "three channels: x: f32[1, 3, 2, 2] (say rgb8)" in done.err) == (78, True)


def test_inspect_shows_the_model_and_its_engine(command: Command, classify: Path) -> None:
    out = command("inspect", classify).out
    assert "onnxruntime" in out
    assert "rgb8 2x2" in out
    assert json.loads(command("inspect", classify, "--json").out)["classifier"] == "classify"
