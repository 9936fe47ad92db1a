"""The standard client of the Open Inference Protocol, unmodified, against a real server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.nn.tiny import ONNX_TYPES
from tests.serve.conftest import Serve
from tests.serve.gated import GatedProvider
from weft import __version__
from weft.core.dtypes import dtype_named
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

Connect = Callable[..., triton.InferenceServerClient]
DTYPES = [name for name in ONNX_TYPES if name != "f8"]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """A client of a server."""
    opened: list[triton.InferenceServerClient] = []

    def make(server: Server, **options: object) -> triton.InferenceServerClient:
        host, port = server.address
        opened.append(triton.InferenceServerClient(f"{host}:{port}", **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def given(array: np.ndarray, datatype: str = "", *, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput("x", list(array.shape), datatype or np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array, binary_data=binary)


def sample(dtype: str) -> np.ndarray:
    if dtype == "bytes":
        return np.array([[b"\0", b"", "größe".encode(), b"x" * 300]], dtype=np.object_)
    if dtype == "bf16":
        return np.array([[0.0, 1.5, -2.0, 3.0e38]], ml_dtypes.bfloat16)
    kind = dtype_named(dtype).numpy
    if kind.kind == "b":
        return np.array([[True, False, False, True]])
    if kind.kind == "f":
        return np.array([[0.0, -1.5, 2.25, 6e4]], kind)
    limits = np.iinfo(kind)
    return np.array([[limits.min, limits.max, 0, 7]], kind)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_there_and_back(
    serve: Serve, connect: Connect, tiny: Callable[..., Path], dtype: str, binary: bool
):
    client = connect(serve({"net": tiny(dtype)}))
    array = sample(dtype)
    if not binary and dtype == "bytes":
        array = np.array([["a", "", "größe", "日本"]], dtype=np.object_)
    ask = given(array, dtype_named(dtype).protocol, binary=binary or dtype == "bf16")  # the client sends bf16 as bytes
    wanted = [triton.InferRequestedOutput("y", binary_data=binary)]
    got = client.infer("net", [ask], outputs=wanted)
    back = None if dtype == "bf16" and not binary else got.as_numpy("y")
    assert got.get_output("y")["datatype"] == dtype_named(dtype).protocol
    if dtype == "bytes" and not binary:
        assert back.tolist() == array.tolist()
    elif dtype == "bytes":
        assert back.tolist() == [[bytes(item) for item in array[0]]]
    elif dtype == "bf16" and not binary:
        assert np.array_equal(np.array(got.get_output("y")["data"], np.float32), array[0].astype(np.float32))
    else:
        assert np.array_equal(back, array)


def test_what_the_server_tells_of_itself_and_its_models(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": tiny(), "net/2": tiny(), "other": tiny("i64", ["rows"])}))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("net")
    assert client.is_model_ready("net", "2")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["name"] == "weft"
    assert client.get_server_metadata()["version"] == __version__
    assert client.get_model_metadata("net") == {
        "name": "net",
        "versions": ["1", "2"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
    }
    config = client.get_model_config("other", "1")
    assert (config["backend"], config["max_batch_size"]) == ("onnxruntime", 0)
    assert config["input"] == [{"name": "x", "data_type": "TYPE_INT64", "dims": [-1]}]
    states = {(row["name"], row["version"]): row["state"] for row in client.get_model_repository_index()}
    assert states == {("net", "2"): "READY", ("net", "1"): "READY", ("other", "1"): "READY"}


def test_a_model_that_takes_batches_says_so(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": ModelSpec(tiny(), max_batch=8, batch_window_s=0.002)}))
    config = client.get_model_config("net")
    assert config["max_batch_size"] == 8
    assert config["input"][0]["dims"] == [4]
    assert config["dynamic_batching"] == {"preferred_batch_size": [8], "max_queue_delay_microseconds": 2000}


def test_statistics_count_what_was_asked(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": tiny(), "other": tiny()}))
    for _ in range(3):
        client.infer("net", [given(np.ones((1, 4), np.float32))])
    with pytest.raises(InferenceServerException):
        client.infer("net", [given(np.ones((1, 5), np.float32))])
    (stats,) = client.get_inference_statistics("net")["model_stats"]
    assert (stats["inference_count"], stats["execution_count"]) == (3, 3)
    assert stats["inference_stats"]["success"]["count"] == 3
    assert stats["inference_stats"]["compute_infer"]["ns"] > 0
    assert stats["batch_stats"][0]["batch_size"] == 1
    assert len(client.get_inference_statistics()["model_stats"]) == 2
    assert len(client.get_inference_statistics("net", "1")["model_stats"]) == 1


def test_models_are_unloaded_and_loaded(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": tiny()}))
    client.unload_model("net")
    assert not client.is_model_ready("net")
    with pytest.raises(InferenceServerException, match="unloaded") as caught:
        client.infer("net", [given(np.ones((1, 4), np.float32))])
    assert caught.value.status() == "503"
    client.load_model("net")
    assert client.is_model_ready("net")
    with pytest.raises(InferenceServerException, match="no model"):
        client.load_model("none")
    with pytest.raises(InferenceServerException, match="not taken from requests"):
        client.load_model("net", config="{}")


def test_a_model_that_became_no_model_is_told_and_what_was_served_stays(
    serve: Serve, connect: Connect, tiny: Callable[..., Path]
):
    path = tiny()
    client = connect(serve({"net": path}))
    path.write_bytes(b"not a model any more")
    with pytest.raises(InferenceServerException, match="text file") as caught:
        client.load_model("net")
    assert caught.value.status() == "400"
    assert str(path) not in str(caught.value)
    assert client.infer("net", [given(np.ones((1, 4), np.float32))]).as_numpy("y") is not None


def test_classes(serve: Serve, connect: Connect, tiny: Callable[..., Path], tmp_path: Path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\nbird\nfish\n")
    client = connect(serve({"net": ModelSpec(tiny(), labels=labels)}))
    wanted = [triton.InferRequestedOutput("y", class_count=2)]
    got = client.infer("net", [given(np.array([[1, 4, 2, 3]], np.float32))], outputs=wanted)
    assert got.as_numpy("y").tolist() == [[b"4.000000:1:dog", b"3.000000:3:fish"]]
    plain = [triton.InferRequestedOutput("y", class_count=1, binary_data=False)]
    got = client.infer("net", [given(np.array([[1, 4, 2, 3]], np.float32))], outputs=plain)
    assert got.get_output("y")["data"] == ["4.000000:1:dog"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bodies_are_compressed_both_ways(serve: Serve, connect: Connect, tiny: Callable[..., Path], encoding: str):
    client = connect(serve({"net": tiny()}))
    array = np.arange(40_000, dtype=np.float32).reshape(10_000, 4)
    got = client.infer(
        "net", [given(array)], request_compression_algorithm=encoding, response_compression_algorithm=encoding
    )
    assert np.array_equal(got.as_numpy("y"), array)


def test_raw_bodies_and_ids(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": tiny()}))
    array = np.ones((2, 4), np.float32)
    body, length = triton.InferenceServerClient.generate_request_body([given(array)], request_id="mine")
    response = client._post("v2/models/net/infer", body, {"Inference-Header-Content-Length": length}, None)
    raw = response.read()
    got = triton.InferenceServerClient.parse_response_body(
        raw, header_length=int(response.get("Inference-Header-Content-Length"))
    )
    assert got.get_response()["id"] == "mine"
    assert np.array_equal(got.as_numpy("y"), array)


def test_many_requests_at_once(serve: Serve, connect: Connect, tiny: Callable[..., Path], provider: GatedProvider):
    client = connect(serve({"net": ModelSpec(tiny(), instances=2)}), concurrency=8)
    provider.close_gate()
    asked = [client.async_infer("net", [given(np.full((1, 4), n, np.float32))]) for n in range(8)]
    gevent.sleep(0)  # lets the client send
    provider.gate.set()
    got = [request.get_result(timeout=20).as_numpy("y")[0, 0] for request in asked]
    assert got == list(range(8))


def test_settings_of_logging_and_tracing(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": tiny()}))
    logging.getLogger("weft").setLevel(logging.INFO)
    assert client.get_log_settings()["log_verbose_level"] == 0
    assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
    assert logging.getLogger("weft").level == logging.DEBUG
    assert client.update_log_settings({"log_verbose_level": 0, "log_info": False})["log_info"] is False
    with pytest.raises(InferenceServerException, match="cannot be changed"):
        client.update_log_settings({"log_file": "/tmp/x"})
    assert client.get_trace_settings("net")["trace_level"] == ["OFF"]
    assert client.update_trace_settings(settings={"trace_level": ["OFF"]})["trace_level"] == ["OFF"]
    with pytest.raises(InferenceServerException, match="cannot be changed"):
        client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]})


def test_shared_memory_is_told_not_to_be_there(serve: Serve, connect: Connect, tiny: Callable[..., Path]):
    client = connect(serve({"net": tiny()}))
    assert client.get_system_shared_memory_status() == []
    assert client.get_cuda_shared_memory_status() == []
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    with pytest.raises(InferenceServerException, match="not offered"):
        client.register_system_shared_memory("mine", "/mine", 64)
    with pytest.raises(InferenceServerException, match="not offered"):
        client.infer("net", [triton.InferInput("x", [1, 4], "FP32").set_shared_memory("mine", 16)])


@pytest.mark.parametrize(
    ("shape", "datatype", "name", "said"),
    [
        ((1, 5), np.float32, "x", "was given shape [1, 5]"),
        ((1, 4), np.float64, "x", "was given f64"),
        ((1, 4), np.float32, "z", "no input 'z'"),
    ],
)
def test_wrong_tensors(
    serve: Serve, connect: Connect, tiny: Callable[..., Path], shape: tuple[int, ...], datatype: type, name: str, said
):
    client = connect(serve({"net": tiny()}))
    made = triton.InferInput(name, list(shape), np_to_triton_dtype(datatype))
    made.set_data_from_numpy(np.zeros(shape, datatype))
    with pytest.raises(InferenceServerException) as caught:
        client.infer("net", [made])
    assert said in str(caught.value)
    assert caught.value.status() == "400"


def test_mobilenet_knows_the_cat_of_a_real_picture(serve: Serve, connect: Connect, data: Path):
    spec = ModelSpec(data / "models/squeezenet1.1.onnx", labels=data / "labels/imagenet_1000.txt")
    client = connect(serve({"squeezenet": spec}))
    array = np.load(data / "models/squeezenet1.1_input.npy")
    expected = np.load(data / "models/squeezenet1.1_output.npy")
    ask = triton.InferInput("data", list(array.shape), "FP32").set_data_from_numpy(array)
    got = client.infer("squeezenet", [ask])
    output = got.get_response()["outputs"][0]["name"]
    assert np.allclose(got.as_numpy(output), expected, atol=1.5e-4)
    best = client.infer("squeezenet", [ask], outputs=[triton.InferRequestedOutput(output, class_count=1)])
    index = int(expected.reshape(-1).argmax())
    assert best.as_numpy(output).reshape(-1)[0].decode().split(":")[1] == str(index)
