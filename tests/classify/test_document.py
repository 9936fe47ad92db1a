"""The classifier's document: what may be written, and what is said of mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core.errors import DocumentError, NotFoundError, Problem
from weft.spec.classify import ClassifierSpec, parse_classifier, read_classifier
from weft.spec.kind import file_kind, kind_of
from weft.spec.pipeline import parse_pipeline
from weft.spec.reader import Parsed, read
from weft.spec.schema import classifier_schema


def problems_of(text: str, **options: Any) -> dict[str, Problem]:
    """The problems of a document that has some, by path."""
    with pytest.raises(DocumentError) as caught:
        parse_classifier(dedent(text), **options)
    return {problem.path: problem for problem in caught.value.problems}


def spec_of(**parts: Any) -> ClassifierSpec:
    return parse_classifier(yaml.safe_dump({"model": "m.onnx", **parts}))


def test_a_model_alone_is_a_document() -> None:
    spec = parse_classifier("model: m.onnx")
    assert (spec.model.path, spec.input.type, spec.output.type, spec.output.top) == ("m.onnx", None, "auto", 5)


def test_all_keys_together() -> None:
    spec = parse_classifier("""
        name: names
        description: Names pets.
        model: {path: m.tflite, type: tflite, engine: litert, device: cpu, precision: f32, threads: 2}
        input: {name: x, size: 320x240, type: bgr32f, layout: nhwc, mean: [0.1, 0.2, 0.3], std: 0.5}
        output: {name: y, type: softmax, label: {path: l.txt, offset: 1}, top: 3, threshold: 0.25}
    """)
    assert spec.model.options().threads == 2
    assert (spec.input.size, spec.input.mean, spec.input.std) == ((320, 240), (0.1, 0.2, 0.3), (0.5,))
    assert spec.output.label is not None
    assert (spec.output.label.offset, spec.output.threshold) == (1, 0.25)


@pytest.mark.parametrize("size", ["224x224", [224, 224], 224, {"width": 224, "height": 224}])
def test_a_size_may_be_written_in_several_ways(size: object) -> None:
    assert spec_of(input={"size": size}).input.size == (224, 224)


@pytest.mark.parametrize("size", ["0x3", "3", 0, -1, True, [1], [1, 2, 3], ["a", 1], {"width": 3}, 1.5, 20_000])
def test_other_sizes_are_none(size: object) -> None:
    assert "input.size" in problems_of(yaml.safe_dump({"model": "m", "input": {"size": size}}))


@pytest.mark.parametrize(
    ("section", "key", "written", "meant"),
    [
        ("input", "type", "RGB32F", "rgb32f"),
        ("input", "type", "gray8", "luma8"),
        ("input", "type", "grey32f", "luma32f"),
        ("input", "layout", "CHW", "nchw"),
        ("input", "layout", "NHWC", "nhwc"),
        ("output", "type", "Softmax", "softmax"),
    ],
)
def test_words_with_one_meaning_are_taken(section: str, key: str, written: str, meant: str) -> None:
    spec = spec_of(**{section: {key: written}})
    assert getattr(getattr(spec, section), key) == meant


@pytest.mark.parametrize(("written", "meant"), [("ONNX", "onnx"), ("TensorFlow-Lite", "tflite"), ("tf", "tensorflow")])
def test_formats_have_other_names(written: str, meant: str) -> None:
    assert parse_classifier(f"model: {{path: m, type: {written}}}").model.type == meant


def test_labels_are_a_path_or_a_list() -> None:
    path, names = spec_of(output={"label": "l.txt"}), spec_of(output={"label": ["cat", 7, True]})
    assert path.output.label is not None
    assert names.output.label is not None
    assert (path.output.label.path, names.output.label.names) == ("l.txt", ("cat", "7", "true"))


def test_every_mistake_is_told_at_once_with_its_line_and_cure() -> None:
    found = problems_of("""\
        modl: m.onnx
        input:
          type: rgb16
          size: 3
          mean: [123.675, 116.28, 103.53]
          std: [0.2, 0, 0.2]
          layuot: nchw
        output:
          labels: l.txt
          top: 0
          zero_point: 3
    """)
    assert {path: problem.line for path, problem in found.items()} == {
        "model": 1,
        "modl": 1,
        "input.type": 3,
        "input.mean": 5,
        "input.std": 6,
        "input.layuot": 7,
        "output.labels": 9,
        "output.top": 10,
        "output.zero_point": 11,
    }
    assert found["modl"].cure == "did you mean 'model'?"
    assert found["input.type"].cure == "did you mean 'rgb8'?"
    assert found["input.layuot"].cure == "did you mean 'layout'?"
    assert found["output.labels"].cure == "did you mean 'label'?"


def test_a_mean_in_0_to_255_is_told_as_it_should_be() -> None:
    problem = problems_of("model: m\ninput: {mean: [123.675, 116.28, 103.53]}")["input.mean"]
    assert "units of 0 to 1" in problem.message
    assert problem.cure == "divide by 255: 0.485, 0.456, 0.406"


@pytest.mark.parametrize("key", ["mean", "std"])
def test_a_mean_does_not_go_with_an_8_bit_type(key: str) -> None:
    problem = problems_of(f"model: m\ninput: {{type: BGR8, {key}: 0.5}}")[f"input.{key}"]
    assert "say type: bgr32f" in problem.cure


def test_luma_has_one_channel() -> None:
    assert "one channel" in problems_of("model: m\ninput: {type: luma32f, mean: [0, 0, 0]}")["input.mean"].message


@pytest.mark.parametrize("numbers", ["[0.1, 0.2]", "[]", "[a, 0, 0]", ".nan", "true", "'0.5'"])
def test_other_numbers_of_channels_are_mistakes(numbers: str) -> None:
    assert "input.mean" in problems_of(f"model: m\ninput: {{mean: {numbers}}}")


def test_an_engine_is_no_format() -> None:
    assert "say engine: onnxruntime" in problems_of("model: {path: m, type: onnxruntime}")["model.type"].cure


@pytest.mark.parametrize("label", ["{offset: 1}", "{path: l.txt, names: [a]}"])
def test_labels_come_from_one_place(label: str) -> None:
    assert problems_of(f"model: m\noutput: {{label: {label}}}")["output.label"].cure == "give one of them"


def test_files_that_are_not_there_are_told_with_their_neighbours(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    text = "model: modle.onnx\noutput: {label: {path: names.txt}}"
    found = problems_of(text, folder=tmp_path, check_files=True)
    assert found["model"].cure == "did you mean 'model.onnx'?"
    assert found["output.label.path"].line == 2


def test_a_document_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "classify.yaml").touch()
    with pytest.raises(NotFoundError, match=r"did you mean 'classify\.yaml'"):
        read_classifier(tmp_path / "clasify.yaml")


def test_paths_are_relative_to_the_document(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    (tmp_path / "c.yaml").write_text("model: m.onnx")
    assert read_classifier(tmp_path / "c.yaml").resolve("m.onnx") == tmp_path / "m.onnx"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("model: m", "classifier"),
        ("output: {}", "classifier"),
        ("modell: m", "classifier"),
        ("sources: {}", "pipeline"),
        ("sorces: {}", "pipeline"),
        ("[]", "pipeline"),
        ("a: &", "pipeline"),
    ],
)
def test_the_kind_of_a_document_is_told_by_its_keys(text: str, kind: str) -> None:
    assert kind_of(read(text)) == kind


@pytest.mark.parametrize("text", ["{}", "name: x", "sorces: {}\nmodell: m"])
def test_a_document_of_no_kind_is_told_what_the_kinds_have(text: str) -> None:
    with pytest.raises(DocumentError, match="neither a pipeline nor a classifier") as caught:
        kind_of(read(text), "x.yaml")
    assert "sources, functions, sinks" in caught.value.problems[0].cure


def test_a_document_of_both_kinds_is_told_how_to_name_a_classifier(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text("sources: {}\nmodel: m\noutput: {}\n")
    with pytest.raises(DocumentError) as caught:
        file_kind(path)
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [("model", 2), ("output", 3)]
    assert "classify: FILE" in caught.value.problems[0].cure


def test_a_pipeline_is_no_classifier_and_a_classifier_no_pipeline() -> None:
    assert "is a pipeline" in problems_of("sources: {}")["document"].message
    with pytest.raises(DocumentError, match="is a classifier, not a pipeline"):
        parse_pipeline("model: m")


@pytest.mark.parametrize(
    "entry", ["models: {net: m}", "config: {a: b}", "grants: {}", "args: [x]", "abi: reactor", "instance: fresh"]
)
def test_a_pipeline_says_nothing_of_what_the_classifiers_document_says(entry: str) -> None:
    text = (
        "sources: {s: {type: pattern}}\nsinks: {o: {type: console, inputs: [f]}}\n"
        "functions:\n  f:\n    classify: c.yaml\n    inputs: [s]\n"
        f"    {entry}\n    limits: {{time: 1s, memory: 1MiB}}\n"
    )
    with pytest.raises(DocumentError) as caught:
        parse_pipeline(text)
    key = entry.partition(":")[0]
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [
        (f"functions.f.{key}", 7),
        ("functions.f.limits.memory", 8),
    ]


def test_the_schema_describes_every_key() -> None:
    schema = classifier_schema()
    parts = [schema, *schema["$defs"].values()]
    assert all(part["additionalProperties"] is False and part["description"] for part in parts)
    fields = [value for part in parts for value in part["properties"].values()]
    assert len(fields) > 20
    assert all(len(field["description"]) >= 8 for field in fields)


KEYS = """
    model input output path type engine name size layout mean std label names offset top threshold scale zero_point <<
"""
WORDS = st.sampled_from([*KEYS.split(), "rgb8", "luma32f", "224x224", "nchw", "auto", "softmax", "onnx"])
SCALARS = st.one_of(WORDS, st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)
LIGHT = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mistakes(work: Callable[[], object]) -> Sequence[Problem]:
    """The mistakes that a piece of work finds; it may raise nothing else."""
    try:
        work()
    except DocumentError as error:
        return error.problems
    return ()


@LIGHT
@given(st.dictionaries(WORDS | st.text(max_size=5), VALUES, max_size=4))
def test_whatever_is_written_the_answer_is_a_classifier_or_its_mistakes(data: dict[str, Any]) -> None:
    text = yaml.safe_dump({"model": "m.onnx", **data})
    told = mistakes(lambda: parse_classifier(text, folder=Path("/nowhere"), check_files=True))
    assert told, "the model is not there"
    assert all(problem.path and problem.message for problem in told)


@LIGHT
@given(VALUES)
def test_whatever_the_data_its_kind_is_told_or_refused(data: Any) -> None:
    assert all(problem.message for problem in mistakes(lambda: kind_of(Parsed(data))))
