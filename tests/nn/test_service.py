"""Models are loaded once, shared, and run exactly where and how it was said."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.nn import tiny
from weft.core.errors import ModelError, NotFoundError, TensorError, UnavailableError, UsageError
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor
from weft.nn.backends.onnxruntime import OnnxRuntime
from weft.nn.service import ModelService

ONE = Tensor(np.ones(1, np.float32))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(tiny.onnx_identity("f32", [1]))
    return path


def test_the_same_file_is_one_model(service, path):
    model = service.load(path)
    assert service.load(path) is model
    assert service.stats().loads == 1
    assert service.stats().hits == 1


def test_the_same_bytes_by_any_way_are_loaded_once(service, path):
    models = [service.load(path), service.load_bytes([path.read_bytes()])]
    path.rename(path.with_name("other.onnx"))
    models.append(service.load(path.with_name("other.onnx")))
    assert service.stats().loads == 1
    assert [model.info.name for model in models] == ["net", models[0].info.digest[7:19], "other"]


def test_other_choices_are_other_sessions(service, path):
    for options in (ModelOptions(), ModelOptions(threads=1), ModelOptions(threads=2), ModelOptions(engine="openvino")):
        service.load(path, options)
    assert service.stats().loads == len({1, 2, os.sched_getaffinity(0).__len__()}) + 1


def test_the_layout_is_carried_without_another_load(service, path):
    plain, stated = service.load(path), service.load(path, ModelOptions(layout="nhwc"))
    assert (plain.info.layout, stated.info.layout) == (None, "nhwc")
    assert service.stats().loads == 1


def test_threads_that_ask_at_once_load_once(service, path, monkeypatch):
    """The loader is held until all have asked."""
    asked, opened = threading.Barrier(8), []
    release = threading.Event()
    real = OnnxRuntime.open

    def slow(self, source, target):
        opened.append(source)
        release.wait(10)
        return real(self, source, target)

    def ask(number: int):
        if asked.wait() == 0:
            release.set()
        return service.load(path)

    monkeypatch.setattr(OnnxRuntime, "open", slow)
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(ask, range(8)))
    assert len(opened) == 1
    assert len({id(model) for model in models}) == 1


def test_a_failed_load_is_tried_again(service, path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(OnnxRuntime, "open", lambda *_: (_ for _ in ()).throw(ModelError("no memory")))
        with pytest.raises(ModelError, match="no memory") as caught:
            service.load(path)
    assert caught.value.where == str(path)
    assert service.load(path).infer({"x": ONE})["y"].array.tolist() == [1]


def test_models_nobody_holds_go_when_the_room_is_used_up(tmp_path):
    content = tiny.onnx_identity("f32", [1])
    service = ModelService(max_idle_bytes=2 * len(content) + 10)
    held = service.load_bytes([content])
    for size in (2, 3, 4):
        service.load_bytes([tiny.onnx_identity("f32", [size])])
    stats = service.stats()
    assert (stats.loads, stats.evictions, stats.kept) == (4, 2, 2)
    assert stats.kept_bytes <= 2 * len(content) + 10
    assert service.load_bytes([content]) is held
    assert service.stats().loads == 4
    service.load_bytes([tiny.onnx_identity("f32", [2])])
    assert service.stats().loads == 5


def test_a_forgotten_model_is_loaded_anew(service, path):
    model = service.load(path)
    assert service.forget(model.info.digest) == 1
    assert service.forget(model.info.digest) == 0
    assert service.load(path) is not model
    assert service.stats().loads == 2
    assert model.infer({"x": ONE})["y"].array.tolist() == [1]


def test_zero_threads_is_one_per_usable_core(service, path):
    assert service.load(path).info.threads == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("threads", [-1, 100_000])
def test_a_thread_count_nobody_means_is_a_usage_error(service, path, threads):
    with pytest.raises(UsageError, match=f"{threads} threads"):
        service.load(path, ModelOptions(threads=threads))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tpu", "cpu:1", "auto"])
def test_a_device_that_is_not_here_lists_those_that_are(service, path, engine, device):
    if device.startswith("cuda") and "cuda" in OnnxRuntime().devices():
        pytest.skip("this machine has the GPU build of onnxruntime")
    with pytest.raises(
        UnavailableError, match=f"engine '{engine}' has no device '{device}' here; it has cpu"
    ) as caught:
        service.load(path, ModelOptions(engine=engine, device=device))
    assert caught.value.cure.startswith("device: cpu")
    assert ("onnxruntime-gpu" in caught.value.cure) == device.startswith("cuda")
    assert caught.value.where == str(path)


def test_a_device_onnxruntime_would_not_use_is_an_error(service, path, monkeypatch):
    """onnxruntime takes a provider it cannot start for a wish. Here it claims a CUDA that it has not."""
    monkeypatch.setattr(OnnxRuntime, "devices", lambda _: ("cpu", "cuda"))
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(UnavailableError, match="could not start cuda:0 and would run on CPUExecutionProvider"),
    ):
        service.load(path, ModelOptions(device="cuda:0"))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("precision", ["f64", "int8"])
def test_a_precision_that_is_not_here_lists_those_that_are(service, path, engine, precision):
    with pytest.raises(UnavailableError, match=f"cannot compute in {precision} on cpu") as caught:
        service.load(path, ModelOptions(engine=engine, precision=precision))
    assert caught.value.cure.startswith("precision: f32")


def test_openvino_computes_in_f32_unless_asked(service, path):
    session = service.load(path, ModelOptions(engine="openvino"))._session
    compiled = session._requests._make()._request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"


def test_an_unknown_engine_is_corrected(service, path):
    with pytest.raises(UnavailableError, match="no engine 'onnxrutime'") as caught:
        service.load(path, ModelOptions(engine="onnxrutime"))
    assert caught.value.cure == "did you mean 'onnxruntime'?"


def test_an_engine_that_does_not_read_the_format_names_those_that_do(service, path):
    with pytest.raises(UnavailableError, match="'litert' does not read onnx") as caught:
        service.load(path, ModelOptions(engine="litert"))
    assert caught.value.cure == "engine: onnxruntime or openvino"


@pytest.mark.parametrize(
    ("engine", "module", "command"),
    [
        ("openvino", "openvino", "pip install 'weft[openvino]'"),
        ("litert", "ai_edge_litert", "pip install 'weft[litert]'"),
        ("onnxruntime", "onnxruntime", "pip install onnxruntime"),
    ],
)
def test_a_missing_engine_names_the_command_that_installs_it(service, path, monkeypatch, engine, module, command):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnavailableError, match=f"engine '{engine}' is not installed") as caught:
        service.load(path, ModelOptions(engine=engine))
    assert caught.value.cure == command


def test_the_next_engine_in_the_documented_order_is_taken(service, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert service.load(path).info.engine == "openvino"
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnavailableError, match="no installed engine reads onnx; onnxruntime, openvino would"):
        ModelService().load(path)


def test_an_engine_that_does_not_start_says_why(service, path, monkeypatch, tmp_path):
    broken = tmp_path / "site" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(UnavailableError, match=r"'onnxruntime' does not start: libgomp\.so\.1") as caught:
        service.load(path)
    assert caught.value.cure == "pip install onnxruntime"


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0", b"name: x\n", bytes(64)])
def test_bytes_that_are_no_model_are_a_model_error(service, content):
    with pytest.raises(ModelError) as caught:
        service.load_bytes([content])
    assert caught.value.cure


def test_an_operator_nobody_knows_is_a_model_error_in_the_engines_words(service, capfd):
    content = tiny.onnx_identity("f32", [1], op="Frobnicate")
    for engine, says in (("onnxruntime", "No Op registered for Frobnicate"), ("openvino", "Frobnicate")):
        with pytest.raises(ModelError, match=says) as caught:
            service.load_bytes([content], ModelOptions(engine=engine))
        assert len(caught.value.what) < 400
    assert capfd.readouterr() == ("", "")


def test_a_missing_file_is_not_found(service, tmp_path):
    with pytest.raises(NotFoundError):
        service.load(tmp_path / "no.onnx")


def test_several_inputs_and_outputs_go_by_name(service):
    model = service.load_bytes([tiny.onnx_sum()])
    a, b = Tensor(np.float32([1, 2])), Tensor(np.float32([10, 20]))
    everything = model.infer({"b": b, "a": a})
    assert {name: tensor.array.tolist() for name, tensor in everything.items()} == {
        "sum": [11, 22],
        "diff": [-9, -18],
        "sq": [1, 4],
    }
    some = model.infer({"a": a, "b": b}, ["sq", "sum"])
    assert [(name, tensor.array.tolist()) for name, tensor in some.items()] == [("sq", [1, 4]), ("sum", [11, 22])]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_shapes_that_only_the_graph_can_refuse_are_refused(service, engine):
    """Both inputs are [n], which one input alone cannot break."""
    model = service.load_bytes([tiny.onnx_sum()], ModelOptions(engine=engine))
    with pytest.raises((TensorError, ModelError)) as caught:
        model.infer({"a": Tensor(np.float32([1, 2])), "b": Tensor(np.float32([1, 2, 3]))})
    assert caught.value.cure
    good = Tensor(np.float32([1]))
    assert model.infer({"a": good, "b": good})["sum"].array.tolist() == [2]


def test_an_output_that_is_no_tensor_is_left_out_and_said(service):
    model = service.load_bytes([tiny.onnx_sequence()])
    assert [port.name for port in model.info.outputs] == ["y"]
    assert "parts: seq(tensor(float))" in model.info.notes["left out"]
    assert list(model.infer({"x": Tensor(np.float32([1, -1]))})) == ["y"]


def test_onnxruntime_tells_no_rank_from_a_scalar(service):
    unknown = service.load_bytes([tiny.onnx_identity("f32", None)])
    scalar = service.load_bytes([tiny.onnx_identity("f32", [])])
    assert (unknown.info.inputs[0].shape, scalar.info.inputs[0].shape) == (None, ())
    assert unknown.infer({"x": Tensor(np.zeros((2, 3), np.float32))})["y"].shape == (2, 3)


def test_external_weights_are_read_from_the_models_folder(service, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(tiny.onnx_identity("f32", [1], external="w.bin"))
    (tmp_path / "w.bin").write_bytes(b"\1\2\3\4")
    for engine in ("onnxruntime", "openvino"):
        model = service.load(path, ModelOptions(engine=engine))
        assert model.infer({"x": ONE}, ["weights"])["weights"].array.tolist() == [1, 2, 3, 4]


def test_a_saved_model_runs(service, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(tiny.saved_model([-1, 2]))
    model = service.load(tmp_path)
    assert [str(port) for port in (*model.info.inputs, *model.info.outputs)] == ["x: f32[?, 2]", "y: f32[?, 2]"]
    assert model.infer({"x": Tensor(np.zeros((3, 2), np.float32))})["y"].array.tolist() == [[3, 3]] * 3


def test_a_frozen_graph_runs_from_memory(service):
    model = service.load_bytes([tiny.tensorflow_graph([1, 2])])
    assert [str(port) for port in (*model.info.inputs, *model.info.outputs)] == [
        "input: f32[1, 2]",
        "output: f32[1, 2]",
    ]
    assert model.infer({"input": Tensor(np.zeros((1, 2), np.float32))})["output"].array.tolist() == [[3, 3]]


def test_ir_runs_from_disk_and_from_memory(service, tmp_path):
    import openvino

    graph = openvino.Core().read_model(tiny.onnx_sum())
    openvino.save_model(graph, tmp_path / "sum.xml", compress_to_fp16=False)
    parts = [(tmp_path / "sum.xml").read_bytes(), (tmp_path / "sum.bin").read_bytes()]
    given = {"a": Tensor(np.float32([1])), "b": Tensor(np.float32([2]))}
    models = [service.load(tmp_path / "sum.xml"), service.load_bytes(parts)]
    assert [model.infer(given, ["sum"])["sum"].array.tolist() for model in models] == [[3], [3]]
    assert models[0].info.digest == models[1].info.digest
    with pytest.raises(ModelError, match="cannot read it"):
        service.load_bytes([parts[0][:-200], parts[1]])


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_idle_engines_burn_no_cpu(service, data, engine):
    """onnxruntime left alone spins for some 50 ms after every inference."""
    model = service.load(data / "models" / "squeezenet1.1.onnx", ModelOptions(engine=engine, threads=2))
    given = {"data": Tensor(np.zeros((1, 3, 224, 224), np.float32))}
    burnt = []
    for _ in range(3):
        model.infer(given)
        before = time.process_time()
        threading.Event().wait(0.1)
        burnt.append(time.process_time() - before)
    assert min(burnt) < 0.01
