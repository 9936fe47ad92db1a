"""The routes of wasmCloud's example, as its own README asks them."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.guests.build import GUESTS, compile_guest, shared_folder
from tests.serve.conftest import Serve
from tests.serve.functions import PATIENCE_S, spec
from tests.serve.gated import GatedProvider
from weft.core.dtypes import BOOL
from weft.core.errors import TensorError
from weft.core.tensor import Tensor
from weft.flow.functions import FunctionOptions
from weft.serve.functions.service import Functions
from weft.serve.models.spec import ModelSpec
from weft.serve.oip.rest import OpenInference
from weft.serve.wasmcloud.face import WasmCloud
from weft.serve.wasmcloud.tensors import VALUES, read_tensor, written

FOUR = {"dimensions": [1, 4], "valueTypes": ["ValueF32"], "flags": 0, "data": list(struct.pack("<4f", 1, 2, 3, 4))}


@pytest.fixture
def ask(serve: Serve, data: Path) -> Callable[..., httpx.Client]:
    """A client of a server with some of the reference models."""

    def start(*names: str, before: Functions | None = None, after: Functions | None = None) -> httpx.Client:
        kinds = {"mobilenetv2": 1000, "squeezenet1": 1000, "mobilenet_v2_quant": 1001}
        labels = {name: data / f"labels/imagenet_{count}.txt" for name, count in kinds.items()}
        short = {name.partition(".")[0]: data / "models" / name for name in names}
        specs = {name: ModelSpec(path, labels=labels.get(name)) for name, path in short.items()}
        before, after = before or Functions(), after or Functions()
        server = serve(specs, faces=[OpenInference(), WasmCloud(before, after)])
        assert before.wait(PATIENCE_S)
        assert after.wait(PATIENCE_S)
        return httpx.Client(base_url=server.url, timeout=60)

    return start


def expected(data: Path, model: str) -> dict[str, list[dict]]:
    return json.loads((data / "expected.json").read_text())["top5"][model]


def test_identity_gives_back_its_input(ask: Callable[..., httpx.Client]):
    with ask("identity.onnx") as client:
        for method in ("POST", "PUT"):
            assert client.request(method, "/identity", json=FOUR).json() == {"result": "Success", "tensor": FOUR}


def test_plus3_adds_three(ask: Callable[..., httpx.Client]):
    with ask("plus3.pb") as client:
        found = client.post("/plus3", json=FOUR).json()
    assert struct.unpack("<4f", bytes(found["tensor"]["data"])) == (4, 5, 6, 7)


@pytest.mark.parametrize("model", ["mobilenetv2.onnx", "squeezenet1.1.onnx"])
def test_pictures_are_named(ask: Callable[..., httpx.Client], data: Path, model: str):
    with ask(model) as client:
        for picture, best in expected(data, model).items():
            answer = client.put(f"/{model.partition('.')[0]}/matches", content=(data / "images" / picture).read_bytes())
            found = answer.json()
            assert len(found) == 5
            assert found[0]["label"] == best[0]["label"]
            wanted = {one["label"]: one["probability"] for one in best}
            near = [abs(one["probability"] - wanted[one["label"]]) < 0.02 for one in found if one["label"] in wanted]
            assert len(near) >= 4
            assert all(near)


def test_preprocess_answers_the_models_output(ask: Callable[..., httpx.Client], data: Path):
    with ask("mobilenetv2.onnx") as client:
        answer = client.put("/mobilenetv2/preprocess", content=(data / "images/cat.jpg").read_bytes()).json()
    tensor = answer["tensor"]
    assert (answer["result"], tensor["dimensions"], tensor["valueTypes"]) == ("Success", [1, 1000], ["ValueF32"])
    scores = struct.unpack("<1000f", bytes(tensor["data"]))
    assert scores.index(max(scores)) == expected(data, "mobilenetv2.onnx")["cat.jpg"][0]["index"]


@pytest.mark.parametrize("model", ["mnist.onnx", "mnist_quant.tflite"])
def test_digits_are_luma(ask: Callable[..., httpx.Client], data: Path, model: str):
    name = model.partition(".")[0]
    with ask(model) as client:
        for digit in range(10):
            picture = (data / f"images/mnist/{digit}.png").read_bytes()
            for way in ("matches", "matches/rgb8"):
                assert client.post(f"/{name}/{way}", content=picture).json()[0]["label"] == str(digit)


def test_quantised_models_take_rgb8(ask: Callable[..., httpx.Client], data: Path):
    with ask("mobilenet_v2_quant.tflite") as client:
        answer = client.put("/mobilenet_v2_quant/matches/rgb8", content=(data / "images/whale.jpg").read_bytes())
    found = answer.json()
    assert "whale" in found[0]["label"]
    assert 0.5 < found[0]["probability"] <= 1


def test_the_curl_line_as_it_is_typed(ask: Callable[..., httpx.Client], data: Path):
    if not shutil.which("curl"):
        missing("curl", "install it")
    with ask("mobilenetv2.onnx") as client:
        words = ["curl", "--silent", "-T", str(data / "images/cat.jpg"), f"{client.base_url}/mobilenetv2/matches"]
        found = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert found[0]["label"] == expected(data, "mobilenetv2.onnx")["cat.jpg"][0]["label"]


def test_the_users_own_steps(ask: Callable[..., httpx.Client], data: Path, tmp_path_factory: pytest.TempPathFactory):
    module = compile_guest(GUESTS / "steps.c", shared_folder(tmp_path_factory))
    before, after = Functions(), Functions()
    before.add("mobilenetv2", spec(module))
    labels = f"@{data}/labels/imagenet_1000.txt"
    after.add("mobilenetv2", spec(module, options=FunctionOptions(config={"labels": labels})))
    with ask("mobilenetv2.onnx", before=before, after=after) as client:
        picture = (data / "images/cat.jpg").read_bytes()
        answer = client.put("/mobilenetv2/matches", content=picture)
        assert answer.headers["content-type"] == "text/plain"
        best = expected(data, "mobilenetv2.onnx")["cat.jpg"][0]
        assert answer.text == f"mobilenetv2 f32 1,1000: {best['index']} n"
        failed = client.put("/mobilenetv2/matches", content=b"no picture")
        assert failed.status_code == 500
        assert client.put("/mobilenetv2/matches", content=picture).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no tensor"),
        (b"[]", "no tensor"),
        ({**FOUR, "data": [256] * 16}, "data"),
        ({**FOUR, "data": [1.5] * 16}, "data"),
        ({**FOUR, "data": [0] * 15}, "16"),
        ({**FOUR, "dimensions": [1, -4]}, "dimensions"),
        ({**FOUR, "dimensions": [2**31 - 1] * 4}, "do not fill"),
        ({**FOUR, "valueTypes": ["ValueF16"]}, "do not fill"),
        ({**FOUR, "valueTypes": ["ValueF31"]}, "ValueF32"),
        ({**FOUR, "valueTypes": []}, "one value type"),
        ({**FOUR, "flags": 1}, "row-major"),
        ({**FOUR, "dimensions": [4]}, "[4]"),
    ],
)
def test_tensors_that_are_none(ask: Callable[..., httpx.Client], body: object, said: str):
    with ask("identity.onnx") as client:
        answer = client.post("/identity", content=body if isinstance(body, bytes) else json.dumps(body))
        assert answer.status_code == 400
        assert said in answer.json()["error"]


def test_what_is_not_there(ask: Callable[..., httpx.Client], data: Path):
    with ask("identity.onnx", "mnist.onnx") as client:
        for method, path, status in (
            ("POST", "/identiy", 404),
            ("PUT", "/identiy/matches", 404),
            ("GET", "/identity", 405),
            ("DELETE", "/identity/matches", 405),
            ("POST", "/identity/other", 404),
            ("POST", "/identity/matches/rgb9", 404),
        ):
            answer = client.request(method, path)
            assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
        assert "did you mean 'identity'" in client.put("/identiy/matches").text
        assert client.put("/mnist/matches", content=b"no picture").status_code == 400
        picture = (data / "images/mnist/1.png").read_bytes()
        refused = client.put("/identity/matches", content=picture)
        assert refused.status_code == 400
        assert "no picture" in refused.json()["error"]


def test_every_value_type_goes_both_ways():
    for name, dtype in VALUES.items():
        told = {"dimensions": [2], "valueTypes": [name], "flags": 0, "data": list(range(2 * dtype.itemsize))}
        assert written(read_tensor(json.dumps(told).encode())) == told
    with pytest.raises(TensorError, match="no word"):
        written(Tensor([True], BOOL))


@pytest.mark.parametrize("path", ["/net", "/net/matches", "/v2/models/net/infer"])
def test_what_finds_the_queue_full_is_not_looked_at(
    serve: Serve, provider: GatedProvider, tiny: Callable[..., Path], path: str
):
    spec = ModelSpec(tiny(), queue=0, instances=1)
    server = serve({"net": spec}, faces=[OpenInference(), WasmCloud()])
    provider.close_gate()
    with httpx.Client(base_url=server.url, timeout=60) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/net", json=FOUR)
        provider.wait_entered()
        refused = client.post(path, content=b"no picture, and no JSON")
        provider.gate.set()
        assert first.result().status_code == 200
    assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    assert server.services.models.version("net").counter.read().refused == 1


def test_labels_of_another_model_are_not_told(serve: Serve, data: Path):
    labels = data / "labels/imagenet_1001.txt"
    server = serve({"net": ModelSpec(data / "models/mobilenetv2.onnx", labels=labels)}, faces=[WasmCloud()])
    answer = httpx.put(f"{server.url}/net/matches", content=(data / "images/cat.jpg").read_bytes())
    assert answer.status_code == 500
    assert "1000 classes, and its labels have 1001 names" in answer.json()["error"]


def test_a_model_of_another_dtype_is_told(serve: Serve, tiny: Callable[..., Path]):
    server = serve({"flag": tiny("bool", [1, 4])}, faces=[WasmCloud()])
    answer = httpx.post(f"{server.url}/flag", json=FOUR)
    assert answer.status_code == 400
    assert "bool" in answer.json()["error"]
