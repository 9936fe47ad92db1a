"""``engine: auto`` times the engines once, remembers, and says what it took."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from tests.nn import tiny
from weft.core.errors import ModelError, UnavailableError
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor
from weft.nn import auto
from weft.nn.auto import memory_file
from weft.nn.service import ModelService

AUTO = ModelOptions(engine="auto", threads=1)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    memory_file().unlink(missing_ok=True)


@pytest.fixture
def timed(monkeypatch) -> list[str]:
    """The engines that were really asked, in order."""
    asked = []
    real = auto._open

    def watched(source, target, names):
        asked.append(",".join(names))
        return real(source, target, names)

    monkeypatch.setattr(auto, "_open", watched)
    return asked


def test_the_choice_is_said_with_its_timings():
    info = ModelService().load_bytes([tiny.onnx_sum()], AUTO).info
    assert info.engine in ("onnxruntime", "openvino")
    assert info.notes["engine"].startswith(f"auto: {info.engine} ")
    assert "timed now" in info.notes["engine"]
    assert info.notes["engine"].count(" µs") + info.notes["engine"].count(" ms") == 2


def test_the_winner_is_remembered_by_the_next_process(timed):
    first = ModelService().load_bytes([tiny.onnx_sum()], AUTO).info
    second = ModelService().load_bytes([tiny.onnx_sum()], AUTO).info
    assert timed == ["onnxruntime,openvino"]
    assert second.engine == first.engine
    assert second.notes["engine"].endswith("(remembered)")


def test_a_service_asks_once(timed):
    service = ModelService()
    assert service.load_bytes([tiny.onnx_sum()], AUTO) is not None
    memory_file().unlink()
    service.load_bytes([tiny.onnx_sum()], AUTO)
    assert len(timed) == 1


def test_the_fastest_on_record_is_taken(timed):
    ModelService().load_bytes([tiny.onnx_sum()], AUTO)
    record = json.loads(memory_file().read_text())
    [key] = record["engines"]
    for winner, loser in (("openvino", "onnxruntime"), ("onnxruntime", "openvino")):
        memory_file().write_text(json.dumps({"engines": {key: {winner: 0.001, loser: 0.002}}}))
        info = ModelService().load_bytes([tiny.onnx_sum()], AUTO).info
        assert info.engine == winner
        assert info.notes["engine"] == f"auto: {winner} 1.0 ms, {loser} 2.0 ms (remembered)"
    assert len(timed) == 1


def test_what_is_remembered_holds_for_these_choices_and_versions_only(timed):
    service = ModelService()
    service.load_bytes([tiny.onnx_sum()], AUTO)
    service.load_bytes([tiny.onnx_sum()], ModelOptions(engine="auto", threads=2))
    service.load_bytes([tiny.onnx_identity("f32", [1])], AUTO)
    assert len(timed) == len(json.loads(memory_file().read_text())["engines"]) == 3
    memory_file().write_text(memory_file().read_text().replace("openvino=", "openvino=0."))
    ModelService().load_bytes([tiny.onnx_sum()], AUTO)
    assert len(timed) == 4


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"engines": 3}', "\x00\xff"])
def test_a_damaged_memory_is_written_anew(timed, damage):
    memory_file().parent.mkdir(parents=True, exist_ok=True)
    memory_file().write_text(damage)
    ModelService().load_bytes([tiny.onnx_sum()], AUTO)
    assert len(json.loads(memory_file().read_text())["engines"]) == len(timed) == 1


@pytest.mark.parametrize("row", [3, {}, {"netscape": 0.1}, {"openvino": "fast"}])
def test_a_damaged_row_is_timed_again(timed, row):
    ModelService().load_bytes([tiny.onnx_sum()], AUTO)
    [key] = json.loads(memory_file().read_text())["engines"]
    memory_file().write_text(json.dumps({"engines": {key: row}}))
    ModelService().load_bytes([tiny.onnx_sum()], AUTO)
    assert len(timed) == 2


def test_a_cache_folder_that_cannot_be_written_only_costs_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "file"))
    assert "timed now" in ModelService().load_bytes([tiny.onnx_sum()], AUTO).info.notes["engine"]


def test_the_only_engine_is_taken_untimed(timed):
    info = ModelService().load_bytes([tiny.tensorflow_graph([1])], AUTO).info
    assert info.notes["engine"] == "auto: openvino is the only engine here that can"
    assert timed == []


def test_an_engine_that_cannot_load_the_model_loses_and_is_named():
    """OpenVINO is not given text."""
    info = ModelService().load_bytes([tiny.onnx_identity("bytes", [2])], AUTO).info
    assert info.engine == "onnxruntime"
    assert "openvino: port 'x' is string" in info.notes["engine"]


def test_inputs_are_made_up_for_every_dtype_and_dynamic_dimension():
    for dtype in ("bool", "u8", "i64", "f16", "bf16", "f64"):
        info = ModelService().load_bytes([tiny.onnx_identity(dtype, ["batch", 2])], AUTO).info
        assert info.notes["engine"].startswith(f"auto: {info.engine} "), dtype
        assert "failed" not in info.notes["engine"]


def test_a_model_nobody_can_load_is_its_own_error():
    with pytest.raises(ModelError, match="Frobnicate"):
        ModelService().load_bytes([tiny.onnx_identity("f32", [1], op="Frobnicate")], AUTO)


def test_a_device_nobody_has_is_an_error():
    with pytest.raises(UnavailableError, match="no device 'tpu'"):
        ModelService().load_bytes([tiny.onnx_sum()], ModelOptions(engine="auto", device="tpu"))


def test_no_engine_at_all_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnavailableError, match="no installed engine reads tflite") as caught:
        ModelService().load_bytes([tiny.tflite_identity("f32", [1])], AUTO)
    assert caught.value.cure == "pip install 'weft[litert]'"


def test_the_chosen_model_answers():
    model = ModelService().load_bytes([tiny.tflite_identity("f32", [2])], AUTO)
    assert model.infer({"x": Tensor(np.float32([1, 2]))})["y"].array.tolist() == [1, 2]
