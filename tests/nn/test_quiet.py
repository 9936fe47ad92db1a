"""Engines keep quiet, cost nothing until they are used, and send nothing home."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.nn import tiny
from weft.nn.quiet import without_lines
from weft.nn.reason import reason


def alone(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **environment},
    )


def test_only_the_noise_is_taken_out(capfd):
    with without_lines(re.compile(rb"INFO: hello")):
        os.write(2, b"one\nINFO: hello there\ntwo\n")
    assert capfd.readouterr().err == "one\ntwo\n"


def test_what_was_written_before_a_failure_is_not_lost(capfd):
    def fail() -> None:
        with without_lines(re.compile(rb"noise")):
            os.write(2, b"last words\n")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "last words\nafter\n"


def test_a_closed_stderr_is_no_error():
    done = alone("""
import os, re
os.close(2)
from weft.nn.quiet import without_lines
with without_lines(re.compile(rb"x")):
    print("went on")
""")
    assert done.stdout == "went on\n"


@pytest.mark.parametrize("engine", ["litert", "onnxruntime", "openvino"])
def test_engines_load_and_run_without_a_word(tmp_path, engine):
    path = tmp_path / "model"
    path.write_bytes(tiny.tflite_identity("f32", [2]) if engine == "litert" else tiny.onnx_sum())
    done = alone(f"""
from pathlib import Path
import numpy as np
from weft.core.model import ModelOptions
from weft.core.tensor import Tensor
from weft.nn.service import ModelService
model = ModelService().load(Path({str(path)!r}), ModelOptions(engine={engine!r}))
model.infer({{port.name: Tensor(np.ones(2, np.float32)) for port in model.info.inputs}})
""")
    assert (done.stdout, done.stderr) == ("", "")


def test_initializers_among_the_inputs_are_not_remarked_on(data):
    """onnxruntime warns once for each of 300; the model is fine."""
    done = alone(f"""
from pathlib import Path
from weft.nn.service import ModelService
print(ModelService().load(Path({str(data)!r}) / "models/face_rfb320.onnx").info.inputs[0])
""")
    assert (done.stdout, done.stderr) == ("input: f32[1, 3, 240, 320]\n", "")


def test_importing_the_service_imports_no_engine():
    done = alone("""
import sys
import weft.nn.service, weft.nn.describe
from weft.nn.backends import litert, onnxruntime, openvino
weft.nn.describe.reading("onnx")
print([name for name in ("onnxruntime", "openvino", "ai_edge_litert.interpreter") if name in sys.modules])
""")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("engine", ["litert", "onnxruntime", "openvino"])
def test_engines_leave_nothing_in_the_home_folder_and_send_nothing(tmp_path, engine):
    """Both onnxruntime and OpenVINO give the user an id there and report to their makers, unless told not to."""
    (tmp_path / "model").write_bytes(tiny.tflite_identity("f32", [2]) if engine == "litert" else tiny.onnx_sum())
    (tmp_path / "home").mkdir()
    unset = dict.fromkeys(("CI", "ORT_DISABLE_TELEMETRY"), "")
    done = alone(
        f"""
import os, sys
for name in {list(unset)!r}:
    os.environ.pop(name, None)
from pathlib import Path
from weft.core.model import ModelOptions
from weft.nn.service import ModelService
ModelService().load(Path({str(tmp_path / "model")!r}), ModelOptions(engine={engine!r}))
print("openvino_telemetry" in sys.modules)
""",
        HOME=str(tmp_path / "home"),
    )
    assert done.stdout == "False\n"
    assert list((tmp_path / "home").iterdir()) == []


def test_openvino_is_whole_for_others_in_the_process():
    done = alone("""
from weft.nn.describe import engines
engines()
import openvino, openvino_telemetry
print(callable(openvino.convert_model))
""")
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from /a b/x.onnx failed:Protobuf parsing failed.",
            "Protobuf parsing failed.",
        ),
        (
            "Exception from src/core.cpp:105:\nCheck 'a == b' failed at src/x.cpp:1:\nIncorrect weights!\n\n",
            "Incorrect weights!",
        ),
        ("tflite/kernels/reshape.cc:83 num_input != num_output", "num_input != num_output"),
        ("", "ValueError"),
        ("x" * 1000, "x" * 300 + "…"),
    ],
)
def test_an_engines_message_is_cut_to_what_it_says(message, expected):
    assert reason(ValueError(message)) == expected
