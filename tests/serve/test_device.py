"""The device that was asked for, or an answer that says why not: never another one without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from tests.serve.conftest import Serve
from weft.core.model import ModelOptions
from weft.nn.backends.onnxruntime import OnnxRuntime
from weft.serve.models.spec import ModelSpec

Tiny = Callable[..., Path]

ASKED = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
HAS_CUDA = "cuda" in OnnxRuntime().devices()


@pytest.mark.parametrize(
    ("options", "engine"), [(ModelOptions(), "onnxruntime"), (ModelOptions(engine="openvino"), "openvino")]
)
def test_an_answer_names_the_engine_and_the_device_that_ran(
    serve: Serve, tiny: Tiny, options: ModelOptions, engine: str
):
    server = serve({"net": ModelSpec(tiny(dims=[1, 4]), options)})
    ran = {"engine": engine, "device": "cpu"}
    assert httpx.post(f"{server.url}/v2/models/net/infer", json=ASKED).json()["parameters"] == ran
    binary = {**ASKED, "parameters": {"binary_data_output": True}}
    answer = httpx.post(f"{server.url}/v2/models/net/infer", json=binary)
    assert json.loads(answer.content[: int(answer.headers["inference-header-content-length"])])["parameters"] == ran


def test_clients_get_it_with_the_answer(serve: Serve, tiny: Tiny):
    server = serve({"net": tiny()})
    given = triton.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(np.ones((1, 4), np.float32))
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    try:
        answer = client.infer("net", [given], request_id="mine").get_response()
    finally:
        client.close()
    assert (answer["id"], answer["parameters"]["device"]) == ("mine", "cpu")


@pytest.mark.skipif(HAS_CUDA, reason="this machine's onnxruntime has CUDA")
def test_a_device_that_is_not_there_is_told_and_not_replaced(serve: Serve, tiny: Tiny):
    server = serve({"net": ModelSpec(tiny(), ModelOptions(device="cuda")), "other": tiny()})
    assert httpx.get(f"{server.url}/v2/health/ready").status_code == 503
    (row, _) = httpx.post(f"{server.url}/v2/repository/index").json()
    assert (row["state"], row["reason"]) == (
        "UNAVAILABLE",
        "engine 'onnxruntime' has no device 'cuda' here; it has cpu",
    )
    for answer in (
        httpx.get(f"{server.url}/v2/models/net/ready"),
        httpx.post(f"{server.url}/v2/models/net/infer", json=ASKED),
    ):
        assert answer.status_code == 503
        assert "no device 'cuda' here" in answer.json()["error"]
        assert "pip install onnxruntime-gpu" in answer.json()["error"]
    assert httpx.post(f"{server.url}/v2/models/other/infer", json=ASKED).status_code == 200


def test_a_gpu_that_does_not_start_is_told_and_not_replaced(serve: Serve, tiny: Tiny, monkeypatch: pytest.MonkeyPatch):
    """A build of onnxruntime with CUDA on a machine without it would run on the CPU."""
    if HAS_CUDA:
        pytest.skip("this machine's onnxruntime has CUDA")
    monkeypatch.setattr(OnnxRuntime, "devices", lambda _: ("cpu", "cuda"))
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        server = serve({"net": ModelSpec(tiny(), ModelOptions(device="cuda"))})
    error = httpx.get(f"{server.url}/v2/models/net/ready").json()["error"]
    assert "could not start cuda and would run on CPUExecutionProvider" in error
    assert "check the GPU driver" in error


@pytest.mark.skipif(not HAS_CUDA, reason="needs onnxruntime-gpu and an NVIDIA GPU")
def test_on_a_gpu_the_answer_says_so(serve: Serve, tiny: Tiny):
    server = serve({"net": ModelSpec(tiny(), ModelOptions(device="cuda"))})
    answer = httpx.post(f"{server.url}/v2/models/net/infer", json=ASKED).json()
    assert answer["parameters"] == {"engine": "onnxruntime", "device": "cuda"}
    assert answer["outputs"][0]["data"] == [1, 2, 3, 4]
