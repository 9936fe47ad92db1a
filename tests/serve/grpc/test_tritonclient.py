"""The standard client over gRPC, unmodified, against a real server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests.nn.tiny import ONNX_TYPES
from tests.serve.gated import GatedProvider
from tests.serve.grpc.conftest import ONES, Connect, Start, given, target
from weft import __version__
from weft.core.dtypes import dtype_named
from weft.serve.models.spec import ModelSpec

Tiny = Callable[..., Path]
DTYPES = [name for name in ONNX_TYPES if name != "f8"]


def sample(dtype: str) -> np.ndarray:
    if dtype == "bytes":
        return np.array([[b"\0", b"", "größe".encode(), b"x" * 300]], dtype=np.object_)
    if dtype == "bf16":
        return np.array([[0.0, 1.5, -2.0, 3.0e38]], ml_dtypes.bfloat16)
    kind = dtype_named(dtype).numpy
    if kind.kind == "b":
        return np.array([[True, False, False, True]])
    if kind.kind == "f":
        return np.array([[0.0, -1.5, np.inf, 6e4]], kind)
    limits = np.iinfo(kind)
    return np.array([[limits.min, limits.max, 0, 7]], kind)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_goes_there_and_back(start: Start, connect: Connect, tiny: Tiny, dtype: str):
    client = connect(start({"net": tiny(dtype)}))
    array = sample(dtype)
    got = client.infer("net", [given(array, dtype_named(dtype).protocol)], request_id="mine")
    back = got.as_numpy("y")
    response = got.get_response()
    assert (response.id, response.model_name, response.model_version) == ("mine", "net", "1")
    assert {name: value.string_param for name, value in response.parameters.items()} == {
        "engine": "onnxruntime",
        "device": "cpu",
    }
    assert got.get_output("y").datatype == dtype_named(dtype).protocol
    assert back.tolist() == np.asarray(array, np.float32 if dtype == "bf16" else array.dtype).tolist()


def test_what_there_is(start: Start, connect: Connect, tiny: Tiny):
    client = connect(start({"net": ModelSpec(tiny(), max_batch=4), "net/2": tiny()}))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("net")
    assert client.is_model_ready("net", "2")
    assert client.get_server_metadata().version == __version__
    assert "logging" not in client.get_server_metadata().extensions
    metadata = client.get_model_metadata("net")
    assert list(metadata.versions) == ["1", "2"]
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs] == [("x", "FP32", [-1, 4])]
    config = client.get_model_config("net", "1").config
    assert (config.max_batch_size, config.backend, list(config.input[0].dims)) == (4, "onnxruntime", [4])
    assert config.input[0].data_type == triton.model_config_pb2.TYPE_FP32
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert config.parameters["device"].string_value == "cpu"


def test_versions_and_statistics(start: Start, connect: Connect, tiny: Tiny):
    client = connect(start({"net/1": tiny(), "net/2": tiny(op="Neg", name="neg"), "other": tiny()}))
    assert client.infer("net", [given(ONES)]).as_numpy("y").tolist() == [[-1.0] * 4]
    assert client.infer("net", [given(ONES)], model_version="1").as_numpy("y").tolist() == [[1.0] * 4]
    assert [one.version for one in client.get_inference_statistics("net").model_stats] == ["2", "1"]
    (one,) = client.get_inference_statistics("net", "1").model_stats
    assert (one.inference_count, one.inference_stats.success.count) == (1, 1)
    assert one.inference_stats.compute_infer.ns > 0
    assert [(row.batch_size, row.compute_infer.count) for row in one.batch_stats] == [(1, 1)]
    assert len(client.get_inference_statistics().model_stats) == 3


def test_models_are_loaded_and_unloaded(start: Start, connect: Connect, tiny: Tiny):
    path = tiny()
    client = connect(start({"net": path, "broken": path}))
    client.unload_model("net")
    assert not client.is_model_ready("net")
    states = {one.name: (one.state, one.reason) for one in client.get_model_repository_index().models}
    assert states == {"net": ("UNAVAILABLE", "unloaded"), "broken": ("READY", "")}
    with pytest.raises(InferenceServerException, match="not ready") as caught:
        client.infer("net", [given(ONES)])
    assert caught.value.status() == "StatusCode.UNAVAILABLE"
    client.load_model("net")
    assert client.infer("net", [given(ONES)]).as_numpy("y").shape == (1, 4)
    path.write_bytes(b"no model")
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("broken")
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert client.is_model_ready("broken")
    with pytest.raises(InferenceServerException, match="not taken from requests"):
        client.load_model("net", config="{}")


def test_outputs_are_chosen_and_classified(start: Start, connect: Connect, tiny: Tiny, tmp_path: Path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\nbird\nfish\n")
    client = connect(start({"net": ModelSpec(tiny(), labels=labels)}))
    wanted = [triton.InferRequestedOutput("y", class_count=2)]
    got = client.infer("net", [given(np.array([[1, 4, 2, 3]], np.float32))], outputs=wanted)
    assert got.as_numpy("y").tolist() == [[b"4.000000:1:dog", b"3.000000:3:fish"]]
    with pytest.raises(InferenceServerException, match="'z'"):
        client.infer("net", [given(ONES)], outputs=[triton.InferRequestedOutput("z")])


def test_parameters_of_a_request(start: Start, connect: Connect, tiny: Tiny, provider: GatedProvider):
    server = start({"net": tiny()})
    client = connect(server)
    got = client.infer("net", [given(ONES)], priority=3, timeout=5_000_000, parameters={"mine": "yes", "half": 0.5})
    assert got.as_numpy("y") is not None
    provider.close_gate()
    with pytest.raises(InferenceServerException) as caught:
        client.infer("net", [given(ONES)], timeout=500_000)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert "took longer" in caught.value.message()


def test_a_message_is_compressed(start: Start, connect: Connect, tiny: Tiny):
    client = connect(start({"net": tiny()}))
    array = np.arange(40_000, dtype=np.float32).reshape(10_000, 4)
    got = client.infer("net", [given(array)], compression_algorithm="gzip")
    assert np.array_equal(got.as_numpy("y"), array)


def test_many_clients_at_once(start: Start, connect: Connect, tiny: Tiny):
    server = start({"net": ModelSpec(tiny(), queue=1000)})

    def ask(number: int) -> list[float]:
        client = connect(server)
        values = [number * 100.0 + step for step in range(20)]
        return [client.infer("net", [given(ONES * value)]).as_numpy("y")[0, 0] - value for value in values]

    with ThreadPoolExecutor(16) as pool:
        assert all(off == [0.0] * 20 for off in pool.map(ask, range(16)))
    assert server.services.models.version("net").counter.read().success.count == 320


def test_asynchronous_requests(start: Start, connect: Connect, tiny: Tiny):
    client = connect(start({"net": tiny()}))
    heard: Queue[tuple[triton.InferResult | None, object]] = Queue()
    for number in range(8):
        client.async_infer("net", [given(ONES * number)], lambda result, error: heard.put((result, error)))
    got = sorted(heard.get(timeout=20)[0].as_numpy("y")[0, 0] for _ in range(8))
    assert got == list(range(8))


AIO = """
import asyncio, sys
import numpy as np
import tritonclient.grpc.aio as triton

async def main():
    async with triton.InferenceServerClient(sys.argv[1]) as client:
        assert await client.is_server_ready()
        def given(value):
            array = np.full((1, 4), value, np.float32)
            return [triton.InferInput("x", [1, 4], "FP32").set_data_from_numpy(array)]
        got = await asyncio.gather(*(client.infer("net", given(n)) for n in range(100)))
        assert [one.as_numpy("y")[0, 0] for one in got] == list(range(100))
        async def asked():
            for n in range(100):
                yield {"model_name": "net" if n % 10 else "none", "inputs": given(n), "request_id": str(n)}
        n = 0
        async for result, error in client.stream_infer(asked()):
            assert (error is None) == bool(n % 10), (n, error)
            assert error or (result.get_response().id == str(n) and result.as_numpy("y")[0, 0] == n)
            n += 1
        assert n == 100
asyncio.run(main())
"""


def test_the_client_for_asyncio(start: Start, tiny: Tiny):
    """In a process of its own: event loops of one process share what wakes them, and grpc logs where they meet."""
    server = start({"net": ModelSpec(tiny(), queue=1000)})
    done = subprocess.run([sys.executable, "-c", AIO, target(server)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_squeezenet_gives_what_it_gives_elsewhere(start: Start, connect: Connect, data: Path):
    spec = ModelSpec(data / "models/squeezenet1.1.onnx", labels=data / "labels/imagenet_1000.txt")
    client = connect(start({"squeezenet": spec}))
    array = np.load(data / "models/squeezenet1.1_input.npy")
    expected = np.load(data / "models/squeezenet1.1_output.npy")
    got = client.infer("squeezenet", [given(array, name="data")])
    output = got.get_response().outputs[0].name
    assert np.allclose(got.as_numpy(output), expected, atol=1.5e-4)
