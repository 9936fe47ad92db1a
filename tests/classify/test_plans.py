"""A document and a model brought together: what the model settles, and what the two disagree about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.dtypes import BF16, BYTES, F16, F32, I8, I64, U8, DType
from weft.core.errors import InputError, ModelError, NotFoundError
from weft.core.model import Port
from weft.core.tensor import Tensor
from weft.flow.classifier_input import InputPlan, plan_input
from weft.flow.classifier_labels import read_labels
from weft.flow.classifier_mistakes import Mistakes, Wrong
from weft.flow.classifier_output import Best, OutputPlan, plan_output
from weft.spec.classify import parse_classifier

Shape = tuple[int | None, ...] | None


def taken(shape: Shape, dtype: DType = F32, quantization: tuple[float, int] | None = None, **said: Any) -> InputPlan:
    spec = parse_classifier(yaml.safe_dump({"model": "m", "input": said}))
    return plan_input(spec.input, [Port("x", dtype, shape, quantization)])


def refused(shape: Shape, dtype: DType = F32, **said: Any) -> dict[str, tuple[str, str]]:
    """What an input is refused for: message and cure by path."""
    with pytest.raises(Wrong) as caught:
        taken(shape, dtype, **said)
    return {".".join(map(str, path)): (message, cure) for path, message, cure in caught.value.mistakes}


@pytest.mark.parametrize(
    ("shape", "said", "settled"),
    [
        ((1, 3, 20, 10), {}, ("rgb32f", 10, 20, "nchw", (1, 3, 20, 10))),
        ((1, 20, 10, 3), {}, ("rgb32f", 10, 20, "nhwc", (1, 20, 10, 3))),
        ((None, 3, 20, 10), {}, ("rgb32f", 10, 20, "nchw", (1, 3, 20, 10))),
        ((1, 1, 28, 28), {}, ("luma32f", 28, 28, "nchw", (1, 1, 28, 28))),
        ((None, 28, 28, 1), {}, ("luma32f", 28, 28, "nhwc", (1, 28, 28, 1))),
        ((None, None, None, 3), {"size": [10, 20]}, ("rgb32f", 10, 20, "nhwc", (1, 20, 10, 3))),
        ((1, 3, None, None), {"size": 8}, ("rgb32f", 8, 8, "nchw", (1, 3, 8, 8))),
        ((1, 3, None, 10), {"size": [10, 20]}, ("rgb32f", 10, 20, "nchw", (1, 3, 20, 10))),
        ((None, None, None, None), {"size": 8, "type": "bgr8", "layout": "nchw"}, ("bgr8", 8, 8, "nchw", (1, 3, 8, 8))),
        (None, {"size": 8, "type": "luma8", "layout": "nhwc"}, ("luma8", 8, 8, "nhwc", (1, 8, 8, 1))),
        ((3, 20, 10), {}, ("rgb32f", 10, 20, "nchw", (3, 20, 10))),
        ((20, 10, 3), {}, ("rgb32f", 10, 20, "nhwc", (20, 10, 3))),
        ((1, 28, 28), {}, ("luma32f", 28, 28, "nchw", (1, 28, 28))),
        ((None, 28, 28), {"type": "luma8"}, ("luma8", 28, 28, "nchw", (1, 28, 28))),
        ((28, 30), {}, ("luma32f", 30, 28, "nhwc", (28, 30))),
        ((1, 784), {"size": 28}, ("luma32f", 28, 28, "nhwc", (1, 784))),
        ((None, None), {"size": 28, "type": "luma8"}, ("luma8", 28, 28, "nhwc", (1, 784))),
        ((1, 192), {"size": 8, "layout": "nchw"}, ("rgb32f", 8, 8, "nchw", (1, 192))),
    ],
)
def test_the_models_shape_settles_what_the_document_leaves_out(
    shape: Shape, said: dict[str, Any], settled: tuple[Any, ...]
) -> None:
    plan = taken(shape, **said)
    assert (plan.type, plan.width, plan.height, plan.layout, plan.shape) == settled
    assert plan.make()


@pytest.mark.parametrize(
    ("dtype", "kind"), [(F32, "rgb32f"), (F16, "rgb32f"), (U8, "rgb8"), (I8, "rgb8"), (I64, "rgb8")]
)
def test_the_models_dtype_settles_the_type(dtype: DType, kind: str) -> None:
    assert taken((1, 3, 8, 8), dtype).type == kind


def test_all_that_contradicts_the_model_is_told_at_once() -> None:
    found = refused((1, 3, 224, 224), layout="nhwc", size="128x96")
    assert found["input.layout"] == ("is nhwc, but the model takes x: f32[1, 3, 224, 224]", "say nchw, or leave it out")
    message, cure = found["input.size"]
    assert message == "is 128x96, but the model takes 224x224: x: f32[1, 3, 224, 224]"
    assert cure == "write 224x224, or leave it out"


@pytest.mark.parametrize(
    ("shape", "said", "path", "words"),
    [
        ((1, 3, 224, 224), {"type": "luma8"}, "input.type", "say rgb8"),
        ((1, 1, 28, 28), {"type": "bgr32f"}, "input.type", "say luma32f"),
        ((1, 1, 28, 28), {"mean": [0.1, 0.2, 0.3]}, "input.mean", "give one value"),
        ((1, 3, None, None), {}, "input.size", "224x224"),
        ((1, 3, 20, None), {"size": [8, 8]}, "input.size", "write 8x20"),
        ((1, 3, 8, 3), {}, "input.layout", "nchw (first) or nhwc (last)"),
        ((None, None, None, None), {"size": 8}, "input.layout", "nchw (first) or nhwc (last)"),
        ((None, None, None, None), {"size": 8, "layout": "nhwc"}, "input.type", "like rgb8"),
        (None, {"size": 8}, "input.layout", "add it"),
        ((4, 3, 8, 8), {}, "input", "batch of 1"),
        ((1, 784), {}, "input.size", "width and height"),
        ((1, 784), {"size": 27}, "input.size", "check width"),
        ((1, 192), {"size": 8}, "input.layout", "say nchw or nhwc"),
        ((1, 5, 8, 8), {}, "input", "takes pictures"),
        ((1, 3, 8, 8, 8), {}, "input", "takes pictures"),
        ((10,), {}, "input", "takes pictures"),
        ((), {}, "input", "takes pictures"),
        ((1, 3, 8, 8), {"name": "y"}, "input.name", "x: f32"),
    ],
)
def test_what_does_not_fit_is_told_with_its_cure(shape: Shape, said: dict[str, Any], path: str, words: str) -> None:
    assert words in refused(shape, **said)[path][1]


def test_a_mean_needs_a_32f_type_also_where_the_model_chose_the_type() -> None:
    message, cure = refused((1, 3, 8, 8), U8, mean=0.5)["input.mean"]
    assert "rgb8, the type of x: u8[1, 3, 8, 8]" in message
    assert "say type: rgb32f" in cure


def test_a_32f_type_in_a_quantised_model_needs_its_quantisation() -> None:
    assert "say rgb8" in refused((1, 3, 8, 8), I8, type="rgb32f")["input.type"][1]
    plan = taken((1, 3, 8, 8), I8, (1 / 255, -128), type="rgb32f")
    assert np.allclose([plan.scaling.scale, plan.scaling.bias], [[1.0] * 3, [-128.0] * 3])


@pytest.mark.parametrize("dtype", [BF16, BYTES])
def test_dtypes_no_picture_can_become(dtype: DType) -> None:
    assert "choose another model" in refused((1, 3, 8, 8), dtype)["input"][1]


def test_a_model_with_several_inputs_is_no_classifiers() -> None:
    spec = parse_classifier("model: m")
    with pytest.raises(Wrong, match=r"2 inputs at once: a: f32\[1\]; b: f32\[1\]"):
        plan_input(spec.input, [Port("a", F32, (1,)), Port("b", F32, (1,))])


DIMS = st.none() | st.lists(st.none() | st.integers(0, 5), max_size=6).map(tuple)


@given(DIMS, st.sampled_from([F32, F16, U8, I8]), st.data())
@settings(max_examples=300, deadline=None)
def test_any_shape_is_planned_or_refused(shape: Shape, dtype: DType, data: st.DataObject) -> None:
    said = {
        "size": data.draw(st.none() | st.lists(st.integers(1, 5), min_size=2, max_size=2)),
        "type": data.draw(st.none() | st.sampled_from(["rgb8", "bgr32f", "luma8", "luma32f"])),
        "layout": data.draw(st.none() | st.sampled_from(["nchw", "nhwc"])),
    }
    wrong = Mistakes()
    if plan := wrong.attempt(lambda: taken(shape, dtype, **said)):
        assert plan.make()
    else:
        assert wrong.found
        assert all(message and cure for _, message, cure in wrong.found)


def given_by(
    shape: Shape = (1, 3), dtype: DType = F32, quantization: tuple[float, int] | None = None, **said: Any
) -> OutputPlan:
    spec = parse_classifier(yaml.safe_dump({"model": "m", "output": said}))
    return plan_output(spec.output, [Port("y", dtype, shape, quantization)], Path())


def best(values: Any, dtype: DType = F32, **said: Any) -> list[tuple[int, float]]:
    """The classes and scores that come of some values."""
    return named(values, dtype, **said)[1]


def named(
    values: Any, dtype: DType = F32, quantization: tuple[float, int] | None = None, **said: Any
) -> tuple[list[str], list[tuple[int, float]]]:
    tensor = Tensor(np.array([values], dtype.numpy), dtype)
    plan = given_by(tensor.shape, dtype, quantization, **{"type": "scores", **said}).settled(tensor)
    labels = yaml.safe_load(Best(plan).json(tensor))["labels"]
    return [entry["label"] for entry in labels], [(entry["index"], float(entry["score"])) for entry in labels]


def test_the_best_come_first_and_of_equals_the_first_class() -> None:
    assert best([1, 3, 2, 3, 0], top=4) == [(1, 3.0), (3, 3.0), (2, 2.0), (0, 1.0)]
    assert best([0, 0, 0, 0], top=2) == [(0, 0.0), (1, 0.0)]


def test_a_top_beyond_the_classes_gives_all_and_a_threshold_fewer() -> None:
    assert len(best([1, 2, 3], top=50)) == 3
    assert best([0.1, 0.7, 0.2], threshold=0.2) == [(1, 0.7), (2, 0.2)]
    assert best([0.1, 0.2], threshold=3.0) == []


def test_softmax_makes_probabilities_of_any_size_of_logits() -> None:
    found = dict(best([1000.0, 1001.0, -5000.0], type="softmax"))
    assert found[1] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-5)
    assert found[2] == 0


@pytest.mark.parametrize(
    ("values", "rule"),
    [([0.25, 0.5, 0.25], "scores"), ([0.0, 0.999, 0.0], "scores"), ([2.0, 0.5], "softmax"), ([-0.1, 1.0], "softmax")],
)
def test_auto_goes_by_what_the_model_makes_of_a_grey_picture(values: list[float], rule: str) -> None:
    tensor = Tensor(np.array([values], np.float32))
    assert given_by(tensor.shape).settled(tensor).rule == rule


@pytest.mark.parametrize("values", [[0.1, 0.1], [0.9, 0.9], [np.nan, 0.0]])
def test_auto_asks_where_it_could_be_either(values: list[float]) -> None:
    tensor = Tensor(np.array([values], np.float32))
    with pytest.raises(Wrong, match=r"'output', 'type'.*say scores"):
        given_by(tensor.shape).settled(tensor)


def test_a_single_score_is_never_made_a_probability_of_1() -> None:
    assert given_by((1, 1)).settled(Tensor(np.array([[7.0]], np.float32))).rule == "scores"
    with pytest.raises(Wrong, match="a single score"):
        given_by((1, 1), type="softmax")


def test_quantised_scores_are_turned_into_numbers() -> None:
    assert given_by((1, 3), U8, (1 / 256, 0)).rule == "scores"
    assert named([0, 128, 64], U8, (1 / 256, 0), type="auto")[1] == [(1, 0.5), (2, 0.25), (0, 0.0)]
    found = dict(named([-128, 127, 0], I8, (0.1, -3), type="softmax")[1])
    assert found[1] == pytest.approx(1.0, rel=1e-4)
    assert found[0] < found[2] < 1e-5


def test_quantised_logits_are_told_from_probabilities_by_trying() -> None:
    plan = given_by((1, 2), I8, (0.1, 0))
    assert plan.rule is None
    assert plan.settled(Tensor(np.array([[-20, 30]], np.int8))).rule == "softmax"


def test_a_quantisation_nobody_knows_must_be_said() -> None:
    with pytest.raises(Wrong, match="say scale and zero_point"):
        given_by((1, 3), U8)
    assert best([0, 200, 4], U8) == [(1, 200.0), (2, 4.0), (0, 0.0)]
    assert best([0, 200, 4], U8, type="auto", scale=1 / 256)[0] == (1, 0.78125)
    with pytest.raises(Wrong, match="is for quantised scores"):
        given_by((1, 3), F32, scale=0.5)


def test_a_dtype_in_the_document_must_be_the_models() -> None:
    assert given_by((1, 3), F32, type="f32").rule is None
    with pytest.raises(Wrong, match=r"is u8, but the model gives y: f32\[1, 3\]"):
        given_by((1, 3), F32, type="u8")


@pytest.mark.parametrize("dtype", [F16, BF16])
def test_short_floats_are_widened(dtype: DType) -> None:
    bits = np.array([[0x3F80, 0x4040, 0x4000]], np.uint16) if dtype is BF16 else np.array([[1, 3, 2]], np.float16)
    tensor = Tensor(bits, dtype)
    plan = given_by((1, 3), dtype, type="softmax").settled(tensor)
    found = yaml.safe_load(Best(plan).json(tensor))["labels"]
    assert [entry["index"] for entry in found] == [1, 2, 0]
    assert found[0]["score"] == pytest.approx(0.665241, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 3), (3,), (1, 3, 1, 1), (1, 1, 1, 3), (None, 3)])
def test_scores_may_stand_in_any_one_dimension(shape: Shape) -> None:
    assert given_by(shape).classes == 3


@pytest.mark.parametrize("shape", [None, (1, None), (None,), (None, None)])
def test_an_open_number_of_classes_is_seen_by_trying(shape: Shape) -> None:
    plan = given_by(shape, type="scores", label=["a", "b"])
    assert plan.classes is None
    assert plan.settled(Tensor(np.ones((1, 2), np.float32))).classes == 2
    with pytest.raises(Wrong, match="has 2 names, and the model 3 classes"):
        plan.settled(Tensor(np.ones((1, 3), np.float32)))
    with pytest.raises(Wrong, match="one score per class"):
        plan.settled(Tensor(np.ones((2, 3), np.float32)))


def test_what_is_no_list_of_scores_is_refused() -> None:
    with pytest.raises(Wrong, match="one score per class"):
        given_by((1, 4420, 2))
    with pytest.raises(Wrong, match="are no scores"):
        given_by((1, 3), BYTES)


def test_an_output_is_chosen_by_name() -> None:
    ports = [Port("a", F32, (1, 2)), Port("b", F32, (1, 3))]
    spec = parse_classifier("model: m\noutput: {name: b}")
    assert plan_output(spec.output, ports, Path()).classes == 3
    with pytest.raises(Wrong, match=r"has 2 outputs.*a: f32\[1, 2\]; b: f32\[1, 3\]"):
        plan_output(parse_classifier("model: m").output, ports, Path())
    with pytest.raises(Wrong, match="did you mean 'alpha'"):
        plan_output(parse_classifier("model: m\noutput: {name: alpa}").output, [Port("alpha", F32, (1, 2))], Path())


@pytest.mark.parametrize(
    ("names", "offset", "cure"),
    [
        (["a", "b"], 0, "add offset: 1 if class 0 is a background"),
        (["bg", "a", "b", "c"], 0, "add offset: -1 if the first name is a background"),
        (["a"], 0, "name the file of this model's classes"),
        (["a", "b", "c"], 1, "leave offset out"),
        (["a", "b"], -1, "say offset: 1"),
    ],
)
def test_names_and_classes_that_do_not_agree_are_counted(names: list[str], offset: int, cure: str) -> None:
    with pytest.raises(Wrong) as caught:
        given_by((1, 3), label={"names": names, "offset": offset})
    ((path, message, told),) = caught.value.mistakes
    assert path == ("output", "label")
    assert f"has {len(names)} names, and the model 3 classes" in message
    assert cure in told


def test_an_offset_leaves_a_background_without_a_name_or_a_name_without_a_class() -> None:
    assert named([3, 2, 1], label={"names": ["a", "b"], "offset": 1})[0] == ["0", "a", "b"]
    assert named([3, 2], label={"names": ["background", "a", "b"], "offset": -1})[0] == ["a", "b"]


def test_classes_without_names_go_by_number() -> None:
    assert named([3, 1, 2])[0] == ["0", "2", "1"]


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, -np.inf]])
@pytest.mark.parametrize("rule", ["scores", "softmax"])
def test_scores_that_are_no_numbers_fail_the_frame(values: list[float], rule: str) -> None:
    with pytest.raises(ModelError, match="NaN or infinite"):
        best(values, type=rule)


def test_a_masked_class_is_no_failure() -> None:
    assert best([-np.inf, 1.0, 2.0], type="softmax", top=2)[0][0] == 2


def test_another_number_of_scores_than_before_fails_the_frame() -> None:
    work = Best(given_by((1, 2), type="scores"))
    for values in (np.ones((1, 3), np.float32), np.ones((2, 2), np.float32)):
        with pytest.raises(ModelError, match="gave"):
            work.json(Tensor(values))


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=40), st.integers(1, 45))
@settings(max_examples=150, deadline=None)
def test_the_best_are_those_of_a_whole_sort(values: list[float], top: int) -> None:
    expected = sorted(range(len(values)), key=lambda index: (-np.float32(values[index]), index))[:top]
    assert [index for index, _ in best(values, top=top)] == expected


def test_labels_are_lines(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    path.write_bytes('\ufefftench \r\n\r\nK\u2028ö, "q"\n\n'.encode())
    assert read_labels(path) == ["tench", "", 'K\u2028ö, "q"']


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff\xfe\x00", "no UTF-8"), (b"", "no labels"), (b"\n\n", "no labels")]
)
def test_a_file_without_labels_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "l.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_labels(path)
    with pytest.raises(Wrong, match=rf"'output', 'label'.*{words}"):
        given_by((1, 3), label=str(path))


def test_labels_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No such file"):
        read_labels(tmp_path / "none.txt")
