"""What `weft model show` and `weft doctor` are told."""

from __future__ import annotations

import json
import sys

from tests.nn import tiny
from weft.nn import describe
from weft.nn.service import ModelService


def test_a_model_is_plain_data(tmp_path):
    path = tmp_path / "sum.onnx"
    path.write_bytes(tiny.onnx_sum())
    found = json.loads(json.dumps(describe.describe(path, ModelService())))
    assert found["inputs"][0] == {"name": "a", "dtype": "f32", "shape": [None]}
    assert [port["name"] for port in found["outputs"]] == ["sum", "diff", "sq"]
    assert (found["name"], found["format"], found["engine"], found["device"]) == ("sum", "onnx", "onnxruntime", "cpu")
    assert found["size"] == len(tiny.onnx_sum())
    assert [row["name"] for row in found["engines"]] == ["onnxruntime", "openvino"]


def test_every_engine_is_listed_with_version_devices_and_formats():
    rows = {row["name"]: row for row in describe.engines()}
    assert set(rows) == {"onnxruntime", "openvino", "litert"}
    for row in rows.values():
        assert row["installed"]
        assert row["version"]
        assert "cpu" in row["devices"]
        assert row["precisions"]["cpu"][0] == "f32"
        assert row["error"] == ""


def test_a_missing_engine_is_listed_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    [row] = [row for row in describe.engines() if row["name"] == "openvino"]
    assert (row["installed"], row["version"], row["devices"]) == (False, "", [])
    assert row["install"] == "pip install 'weft[openvino]'"


def test_the_order_of_engines_is_the_one_in_the_documentation():
    from weft.nn import backend

    table = backend.__doc__.split("=\n")[1]
    rows = {
        line.split()[0]: tuple(line.replace(",", "").split()[1:]) for line in table.splitlines() if line.strip("= ")
    }
    assert rows == describe.order()


def test_zero_threads_means_the_usable_cores():
    assert describe.threads() >= 1
