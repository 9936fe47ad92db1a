"""A server as a whole: readiness, swaps under load, its end, faces beside each other, callers."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tests.nn.tiny import onnx_identity
from tests.serve.conftest import Serve
from tests.serve.gated import PATIENCE_S, GatedProvider
from weft.core.errors import (
    BusyError,
    DeniedError,
    GuestTrap,
    IdentityError,
    ModelError,
    NotFoundError,
    OverdueError,
    RateLimitError,
    SizeError,
    StalledError,
    TensorError,
    TimeLimitError,
    UnavailableError,
    WeftError,
)
from weft.serve.access_log import write_line
from weft.serve.answers import headers_of, status_of, told
from weft.serve.app import Face
from weft.serve.call import Call, call_of
from weft.serve.caller import Action, Caller, Kind, OpenAccess
from weft.serve.models.spec import ModelSpec
from weft.serve.oip import asked
from weft.serve.oip.rest import OpenInference
from weft.serve.server import Server, listen
from weft.serve.services import Services

GOOD = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


def test_it_is_live_before_it_is_ready(serve: Serve, tiny: Callable[..., Path], provider: GatedProvider):
    provider.close_gate()
    server = serve({"net": tiny()}, wait=False)
    provider.wait_entered()
    assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
    ready = httpx.get(f"{server.url}/v2/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})
    model = httpx.get(f"{server.url}/v2/models/net/ready")
    assert model.status_code == 503
    assert "is loading" in model.json()["error"]
    assert httpx.post(f"{server.url}/v2/repository/index").json() == [
        {"name": "net", "version": "1", "state": "LOADING"}
    ]
    provider.gate.set()
    while httpx.get(f"{server.url}/v2/health/ready").status_code != 200:
        threading.Event().wait(0.01)
    assert httpx.get(f"{server.url}/v2/models/net/ready").status_code == 200


def test_an_address_that_is_taken_is_told(serve: Serve, tiny: Callable[..., Path]):
    server = serve({"net": tiny()})
    with pytest.raises(UnavailableError, match="cannot listen"):
        listen(*server.address)


def test_a_model_swaps_under_load_without_a_failed_request(serve: Serve, tmp_path: Path):
    path = tmp_path / "net.onnx"
    path.write_bytes(onnx_identity("f32", ["rows", 4]))
    server = serve({"net": ModelSpec(path, instances=2)})
    stop, bad, values = threading.Event(), [], []

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/v2/models/net/infer", json=GOOD)
                if answer.status_code != 200:
                    bad.append(answer.text)
                else:
                    values.append(answer.json()["outputs"][0]["data"][0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for op in ("Neg", "Identity", "Neg"):
        new = tmp_path / "new.onnx"
        new.write_bytes(onnx_identity("f32", ["rows", 4], op=op))
        new.replace(path)
        assert httpx.post(f"{server.url}/v2/repository/models/net/load", timeout=30).status_code == 200
        seen = len(values)
        while len(values) < seen + 10 and not bad:
            stop.wait(0.001)
        assert values[-1] == (-1.0 if op == "Neg" else 1.0)
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not bad


def test_stopped_it_finishes_what_it_took(serve: Serve, tiny: Callable[..., Path], provider: GatedProvider):
    server = serve({"net": ModelSpec(tiny(), instances=1)})
    provider.close_gate()
    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.post(f"{server.url}/v2/models/net/infer", json=GOOD, timeout=30).status_code)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    provider.wait_entered()
    version = server.services.models.version("net")
    while version.lane is None or version.lane.waiting < 2:
        threading.Event().wait(0.001)
    closing = threading.Thread(target=server.close)
    closing.start()
    while not server.services.stopping:
        threading.Event().wait(0.001)
    assert not server.services.ready
    provider.gate.set()
    closing.join(PATIENCE_S)
    for thread in asking:
        thread.join(PATIENCE_S)
    assert answers == [200, 200, 200]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/v2")


def test_what_does_not_end_in_time_is_cut_off(serve: Serve, tiny: Callable[..., Path], provider: GatedProvider):
    server = serve({"net": tiny()}, drain_s=0.1)
    provider.close_gate()
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(f"{server.url}/v2/models/net/infer", json=GOOD, timeout=30))

    asking = threading.Thread(target=ask)
    asking.start()
    provider.wait_entered()
    server.close()
    asking.join(PATIENCE_S)
    assert server.services.counts["cut_off"] == 1
    assert answers[0].status_code == 503
    assert answers[0].json() == {"error": "the server has stopped"}


# --- faces and callers ---------------------------------------------------------------------


class Greeting(Face):
    """A face of another protocol."""

    name = "greeting"

    def __init__(self) -> None:
        self.events: list[str] = []

    def routes(self, services: Services) -> Sequence[BaseRoute]:
        return [Route("/hello", self.hello, methods=["POST"]), Route("/late", self.late)]

    async def hello(self, request: Request) -> Response:
        call = call_of(request)
        call.route = "hello"
        text = (await request.body()).decode()
        return PlainTextResponse(f"hello {text} from {call.caller.name}")

    async def late(self, request: Request) -> Response:
        raise BusyError("not now", retry_after_s=2.5)

    async def start(self, services: Services) -> None:
        self.events.append("start")

    async def stop(self, services: Services, drain_s: float) -> None:
        self.events.append("stop")


def test_faces_stand_beside_each_other(serve: Serve, tiny: Callable[..., Path]):
    face = Greeting()
    server = serve({"net": tiny()}, faces=[OpenInference(), face])
    seen: list[Call] = []
    server.services.observers.append(seen.append)
    answer = httpx.post(f"{server.url}/hello", content=b"you")
    assert answer.text == "hello you from anyone"
    busy = httpx.get(f"{server.url}/late")
    assert (busy.status_code, busy.headers["retry-after"], busy.json()) == (503, "3", {"error": "not now"})
    assert httpx.post(f"{server.url}/v2/models/net/infer", json=GOOD).status_code == 200
    server.close()
    assert face.events == ["start", "stop"]
    assert [(call.route, call.status, call.subject) for call in seen] == [
        ("hello", 200, ""),
        ("", 503, ""),
        ("infer", 200, "net"),
    ]
    assert seen[0].taken == 3
    assert seen[0].given == len(answer.content)
    assert seen[2].ended > seen[2].began


class OnlyNet:
    """May use and see one model."""

    def allows(self, action: Action, kind: Kind, name: str) -> bool:
        return name == "net" and action != "manage"


class Keys(OpenAccess):
    """Lets in who has the key."""

    async def identify(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        if headers.get("authorization") != "Bearer right":
            raise IdentityError("a key is needed", cure="send Authorization: Bearer KEY")
        assert peer == "127.0.0.1"
        return Caller("ann", OnlyNet())


def test_rights_hold_everywhere(serve: Serve, tiny: Callable[..., Path]):
    server = serve({"net": tiny(), "secret": tiny()})
    server.services.access = Keys()
    nobody = httpx.get(f"{server.url}/v2/models/net")
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    with httpx.Client(base_url=server.url, headers={"Authorization": "Bearer right"}) as client:
        assert client.post("/v2/models/net/infer", json=GOOD).status_code == 200
        for method, path in (
            ("POST", "/v2/models/secret/infer"),
            ("GET", "/v2/models/secret"),
            ("GET", "/v2/models/secret/config"),
            ("GET", "/v2/models/secret/ready"),
            ("GET", "/v2/models/secret/stats"),
            ("GET", "/v2/models/unknown"),
            ("POST", "/v2/repository/models/net/unload"),
            ("POST", "/v2/repository/models/net/load"),
            ("POST", "/v2/logging"),
            ("GET", "/v2/trace/setting"),
        ):
            assert client.request(method, path).status_code == 403, path
        assert [row["name"] for row in client.post("/v2/repository/index").json()] == ["net"]
        assert [row["name"] for row in client.get("/v2/models/stats").json()["model_stats"]] == ["net"]


def test_the_access_log_has_a_line_for_every_request(serve: Serve, tiny: Callable[..., Path], caplog):
    server = serve({"net": tiny()})
    server.services.observers.append(write_line)
    with caplog.at_level(logging.INFO, "weft.serve.access"):
        httpx.get(f"{server.url}/v2?key=secret")
        httpx.get(f"{server.url}/a%0Ab%1B[31m")
        server.close()
    lines = [record.getMessage() for record in caplog.records if record.name == "weft.serve.access"]
    assert lines[0].startswith("127.0.0.1 anyone GET /v2 200 ")
    assert "secret" not in "".join(lines)
    assert "\\n" in lines[1]
    assert "\x1b" not in lines[1]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BusyError("x"), 503),
        (UnavailableError("x"), 503),
        (RateLimitError("x"), 429),
        (OverdueError("x"), 504),
        (TimeLimitError("x"), 504),
        (IdentityError("x"), 401),
        (DeniedError("x"), 403),
        (NotFoundError("x"), 404),
        (SizeError("x"), 413),
        (StalledError("x"), 408),
        (TensorError("x"), 400),
        (ModelError("x"), 500),
        (GuestTrap("x"), 500),
        (WeftError("x"), 500),
    ],
)
def test_every_error_has_its_status(error: WeftError, status: int):
    assert status_of(error) == status


def test_what_clients_are_told():
    error = TensorError("too long", where="input 'x'", cure="send less")
    assert told(error) == "input 'x': too long (send less)"
    assert "/srv" not in told(ModelError("broken", where="/srv/models/net.onnx"))
    assert headers_of(RateLimitError("x", retry_after_s=0.2)) == [(b"retry-after", b"1")]


def test_a_large_answer_comes_whole(serve: Serve, tiny: Callable[..., Path]):
    server: Server = serve({"net": tiny()})
    rows = 50_000
    head = {
        "inputs": [
            {"name": "x", "shape": [rows, 4], "datatype": "FP32", "parameters": {"binary_data_size": rows * 16}}
        ],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(head).encode()
    body = bytes(range(256)) * (rows * 16 // 256)
    answer = httpx.post(
        f"{server.url}/v2/models/net/infer",
        content=text + body,
        headers={"Inference-Header-Content-Length": str(len(text))},
    )
    assert answer.status_code == 200
    assert answer.content[int(answer.headers["inference-header-content-length"]) :] == body


def test_large_json_is_read_beside_the_loop_that_answers_everybody(
    serve: Serve, tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    threads: list[str] = []

    def read(*given: Any) -> Any:
        threads.append(threading.current_thread().name)
        return inner(*given)

    inner = asked.read
    monkeypatch.setattr("weft.serve.oip.infer.read", read)
    server = serve({"net": tiny()})
    large = [index / 7 for index in range(8000)]
    for values in ([1.0, 2.0, 3.0, 4.0], large):
        given = {"name": "x", "shape": [len(values) // 4, 4], "datatype": "FP32", "data": values}
        found = httpx.post(f"{server.url}/v2/models/net/infer", json={"inputs": [given]})
        assert found.json()["outputs"][0]["data"] == np.array(values, np.float32).tolist()
    assert threads[0] != threads[1]
