"""Programs written for WasmEdge's TensorFlow interfaces, of both generations."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.nn.tiny import saved_model, tensorflow_graph, tflite_identity
from tests.wasm.foreign.conftest import Foreign
from tests.wasm.harness import Driven, Probe, models
from weft.core.errors import GuestExit
from weft.core.limits import MIB, Grants, Limits
from weft.core.tensor import Tensor
from weft.wasm.host.wasmedge_resize import resize_aligned

Drive = Callable[..., Driven]
OWN = Grants(allow=frozenset({"nn.load"}))


def best_five(model: Path, picture: Path) -> list[str]:
    """What the model says of a picture, without a sandbox."""
    pixels = resize_aligned(np.asarray(Image.open(picture)), 224, 224)
    loaded = models().load(model)
    (scores,) = loaded.infer({loaded.info.inputs[0].name: Tensor(pixels[None])}).values()
    order = np.argsort(-scores.array[0].astype(int), kind="stable")[:5]
    return [f"{index} {scores.array[0][index]}" for index in order if scores.array[0][index]]


@pytest.mark.parametrize("picture", ["cat_720p", "grace_hopper", "whale"])
def test_the_first_generation_classifies_a_picture(
    foreign: Foreign, drive: Drive, grants: Grants, data: Path, picture: str
) -> None:
    words = ("models/mobilenet_v2_quant.tflite", f"images/{picture}.jpg")
    (printed,) = drive(foreign("lite_first"), grants=grants, args=words)()
    assert printed.decode().splitlines() == best_five(data / words[0], data / words[1])


@pytest.mark.parametrize(("picture", "faces"), [("faces_4", 4), ("face_1", 1)])
def test_the_second_generation_finds_the_faces(
    foreign: Foreign, drive: Drive, grants: Grants, picture: str, faces: int
) -> None:
    words = ("models/face_rfb320_raw.tflite", f"images/{picture}.jpg")
    assert drive(foreign("lite_second"), grants=grants, args=words)() == [f"{faces} faces\n".encode()]


def test_the_first_generation_runs_a_graph_and_looks_inside(foreign: Foreign, drive: Drive, grants: Grants) -> None:
    printed = drive(foreign("graph_first"), grants=grants, args=("models/plus3.pb", "1", "2.5", "-3"))()
    assert printed == [b"4 5.5 0 by 3\n"]


def test_the_second_generation_runs_a_graph(foreign: Foreign, drive: Drive, grants: Grants) -> None:
    assert drive(foreign("graph_second"), grants=grants, args=("models/plus3.pb",))() == [b"4 5 6\n"]


def test_a_saved_model_is_a_granted_model(foreign: Foreign, drive: Drive, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(saved_model([1, 3]))
    granted = {"model": models().load(tmp_path)}
    assert drive(foreign("graph_second"), models=granted)() == [b"4 5 6\n"]


def test_a_saved_model_that_was_not_granted_is_refused_whatever_lies_there(
    foreign: Foreign, drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(GuestExit, match=r"exited with code 5.*no model 'model' was granted") as caught:
        drive(foreign("graph_second"), grants=OWN)()
    assert "--model model=FILE" in caught.value.cure
    assert "--model model=FILE" in caplog.text


@pytest.mark.parametrize("guest", ["lite_first", "lite_second", "graph_first", "graph_second"])
def test_a_model_of_its_own_needs_the_grant(foreign: Foreign, drive: Drive, grants: Grants, guest: str) -> None:
    words = ("models/plus3.pb", "1") if guest == "graph_first" else ("models/plus3.pb", "images/cat.jpg")
    with pytest.raises(GuestExit, match="brings its own model, which was not granted") as caught:
        drive(foreign(guest), grants=Grants(dirs=grants.dirs), args=words)()
    assert "--allow nn.load" in caught.value.cure


# --- function by function -----------------------------------------------------------------


@pytest.fixture
def lite(probe) -> Probe:
    return probe("wasmedge_tensorflowlite", grants=OWN, limits=Limits(handles=3))


@pytest.fixture
def graph(probe) -> Probe:
    return probe("wasmedge_tensorflow", grants=OWN, limits=Limits(handles=3))


def opened(probe: Probe, model: bytes) -> int:
    """A session of the first generation."""
    return probe.call(f"{probe.program.slots[0].host.name}_create_session", probe.put(model), len(model))


def test_handles_of_the_first_generation_start_at_1_and_end_with_their_session(lite: Probe) -> None:
    model = tflite_identity("f32", [1, 4])
    first, second = opened(lite, model), opened(lite, model)
    assert (first, second) == (1, 2)
    call = lambda name, *args: lite.call(f"wasmedge_tensorflowlite_{name}", *args)  # noqa: E731
    numbers = np.arange(4, dtype=np.float32).tobytes()
    tensor = call("get_output_tensor", second, *lite.text("y"))
    assert tensor == call("get_output_tensor", second, *lite.text("y"))
    assert call("get_tensor_len", tensor) == 0  # nothing was run
    call("append_input", second, *lite.text("x"), lite.put(numbers), 16)
    assert call("run_session", first) == 1  # has no input
    assert call("run_session", second) == 0
    out = lite.put(bytes(16))
    call("get_tensor_data", tensor, out)
    assert lite.read(out, 16) == numbers
    assert call("get_tensor_len", tensor) == 16
    call("delete_session", second)
    assert call("get_tensor_len", tensor) == 0
    assert call("run_session", second) == 1
    assert call("get_output_tensor", first, *lite.text("z")) == 0


def test_sessions_are_bounded(lite: Probe, graph: Probe) -> None:
    model = tflite_identity("f32", [1, 4])
    assert [opened(lite, model) for _ in range(4)] == [1, 2, 3, 0]
    assert "limits.handles" in lite.instance.notes[-1]
    at, out = graph.put(tensorflow_graph()), graph.put(bytes(4))
    assert [graph.create_session(at, len(tensorflow_graph()), out) for _ in range(4)] == [0, 0, 0, 5]


def test_inputs_of_all_sessions_together_are_bounded(probe) -> None:
    lite = probe("wasmedge_tensorflowlite", grants=OWN, limits=Limits(memory=4 * MIB))
    model, size = tflite_identity("f32", [1, 300_000]), 1_200_000
    at, data, out = lite.put(model), lite.put(bytes(size)), lite.put(bytes(4))
    assert [lite.create_session(at, len(model), out) for _ in range(4)] == [0] * 4
    assert [lite.append_input(number, *lite.text("x"), data, size) for number in range(4)] == [0, 0, 0, 5]
    assert "limits.memory" in lite.instance.notes[-1]
    assert lite.append_input(2, *lite.text("x"), data, size) == 0  # in the place of the last one
    assert lite.delete_session(0) == 0
    assert lite.append_input(3, *lite.text("x"), data, size) == 0


def test_each_interface_takes_its_own_models(lite: Probe, graph: Probe) -> None:
    assert opened(lite, tensorflow_graph()) == 0
    assert opened(graph, tflite_identity("f32", [1, 4])) == 0
    assert "the model is tensorflow, and this takes tflite" in lite.instance.notes[-1]


def test_an_input_of_another_size_is_refused_when_it_is_given(lite: Probe) -> None:
    model, out = tflite_identity("f32", [1, 4]), lite.put(bytes(4))
    assert lite.create_session(lite.put(model), len(model), out) == 0
    for size in (12, 15, 20):
        assert lite.append_input(0, *lite.text("x"), out, size) == 1
    assert lite.append_input(0, *lite.text("x"), -4, 16) == 3
    assert lite.append_input(0, *lite.text("x"), out, 16) == 0


def session_of(graph: Probe, dims: list[int] | None = None) -> None:
    model = tensorflow_graph(dims)
    assert graph.create_session(graph.put(model), len(model), graph.put(bytes(4))) == 0


def dims_at(graph: Probe, *dims: int) -> tuple[int, int]:
    return graph.put(struct.pack(f"<{len(dims)}q", *dims)), len(dims)


@pytest.mark.parametrize(
    ("dims", "dtype", "size", "says"),
    [
        ((2,), 2, 8, "takes f32; the guest gave f64"),
        ((2,), 99, 8, "the guest gave type 99"),
        ((3,), 1, 8, "8 bytes do not fill f32[3]"),
        ((-1,), 1, 8, "dimensions [-1]"),
        ((2**40,), 1, 8, "dimensions"),
        ((1,) * 17, 1, 4, "a tensor of rank 17"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(
    graph: Probe, dims: tuple[int, ...], dtype: int, size: int, says: str
) -> None:
    session_of(graph)
    data = graph.put(bytes(16))
    assert graph.append_input(0, *graph.text("input"), *dims_at(graph, *dims), dtype, data, size) == 1
    assert says in graph.instance.notes[-1]


def test_a_shape_the_graph_does_not_take_fails_the_run(graph: Probe) -> None:
    session_of(graph, [1, 3])
    data = graph.put(bytes(16))
    assert graph.append_input(0, *graph.text("input:0"), *dims_at(graph, 2, 2), 1, data, 16) == 0
    assert graph.append_output(0, *graph.text("output")) == 0
    assert graph.run_session(0) == 1
    assert "was given shape [2, 2]" in graph.instance.notes[-1]


def test_names_go_by_node_and_number(graph: Probe) -> None:
    session_of(graph)
    out = graph.put(bytes(4))
    assert graph.append_output(0, *graph.text("output:0")) == 0
    assert graph.append_output(0, *graph.text("output")) == 0  # the same
    assert graph.append_output(0, *graph.text("output:1")) == 1
    assert graph.append_output(0, *graph.text("three:0")) == 0  # from inside
    assert [graph.get_output_tensor(0, *graph.text(name), out) for name in ("output", "three:0", "input")] == [0, 0, 1]
    assert graph.get_output_tensor(0, *graph.text("three"), out) == 0
    assert graph.u32(out) == 1
    assert graph.get_tensor_len(0, 1, out) == 5  # nothing was run
    assert graph.get_tensor_len(0, 2, out) == 1
    assert graph.delete_session(0) == 0
    assert graph.delete_session(0) == 0
    assert graph.run_session(0) == 1


def test_sessions_are_let_go_with_the_instance(lite: Probe) -> None:
    model = tflite_identity("f32", [1, 4])
    opened(lite, model)
    host = lite.instance.host(lite.program.slots[0].host)
    lite.close()
    with pytest.raises(Exception, match="no session 1"):
        host.sessions.get(1)
