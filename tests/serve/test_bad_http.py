"""What is no good request: a JSON error with the right status, or the end of that connection; never of the server."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.serve.conftest import Serve, raw
from tests.serve.gated import GatedProvider
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

Client = Callable[[Server], httpx.Client]
GOOD = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def error(answer: bytes) -> str:
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]


def still_there(server: Server) -> bool:
    return httpx.post(f"{server.url}/v2/models/net/infer", json=GOOD).status_code == 200


@pytest.fixture
def net(serve: Serve, tiny: Callable[..., Path]) -> Server:
    return serve({"net": tiny()}, max_body=1_000_000, silence_timeout_s=0.3, header_timeout_s=0.3, idle_timeout_s=0.3)


def post(length: int | str, *more: str, path: str = "/v2/models/net/infer") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {length}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_two_gigabytes_that_are_announced_are_refused_before_they_come(net: Server):
    answer = raw(net, post(2 * 2**30, "Expect: 100-continue"))
    assert status(answer) == 413
    assert "2.0 GiB" in error(answer)
    assert net.services.counts["body_too_large"] == 1
    assert still_there(net)


def test_more_than_was_announced_is_no_http_and_ends_the_connection(net: Server):
    body = json.dumps(GOOD).encode()
    answer = raw(net, post(len(body)) + body + b"and more that nobody announced\r\n\r\n")
    assert b"HTTP/1.1 400 Bad Request" in answer
    assert net.services.counts["bad_http"] == 1
    assert still_there(net)


def test_half_a_body_and_then_silence(net: Server):
    answer = raw(net, post(1000) + b"{" * 500)
    assert status(answer) == 408
    assert "stopped after 500 B" in error(answer)
    assert net.services.counts["body_stalled"] == 1
    _until(lambda: net.services.room.used == 0)


def test_half_a_body_and_then_the_end(net: Server):
    raw(net, post(1000) + b"{" * 500, finish=True)
    _until(lambda: net.services.room.used == 0)
    assert still_there(net)


@pytest.mark.parametrize("begun", [b"", b"GET /v2 HT", b"GET /v2 HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_headers_that_never_end(net: Server, begun: bytes):
    answer = raw(net, begun)
    assert status(answer) == 408
    assert "took too long" in error(answer)
    assert net.services.counts["headers_late"] == 1


def test_headers_without_measure(serve: Serve, tiny: Callable[..., Path]):
    net = serve({"net": tiny()}, max_header=1000)
    answer = raw(net, b"GET /v2 HTTP/1.1\r\nX: " + b"a" * 5000)
    assert status(answer) == 431
    assert net.services.counts["headers_too_large"] == 1
    assert still_there(net)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"POST /v2/models/net/infer HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v2/models/net/infer HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v2/models/\xff\xfe HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_one_answer_and_the_connection_ends(net: Server, bytes_: bytes):
    answer = raw(net, bytes_)
    assert status(answer) == 400
    assert "no HTTP" in error(answer)
    assert b"connection: close" in answer
    assert still_there(net)


def test_an_idle_connection_ends(net: Server):
    with socket.create_connection(net.address, 20) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert connection.recv(65536) == b""


def test_one_connection_too_many_is_told(serve: Serve, tiny: Callable[..., Path]):
    net = serve({"net": tiny()}, max_connections=2)
    with socket.create_connection(net.address, 20) as first, socket.create_connection(net.address, 20) as second:
        for connection in (first, second):
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        answer = raw(net)
        assert status(answer) == 503
        assert b"retry-after: 1" in answer
    assert net.services.counts["connections_refused"] == 1


@pytest.mark.parametrize(
    ("method", "path", "code", "said"),
    [
        ("GET", "/", 404, "nothing at /"),
        ("GET", "/v3", 404, "nothing at /v3 (/docs shows what can be asked)"),
        ("GET", "/v2/models", 404, "nothing at"),
        ("GET", "/v2/models/none", 404, "no model 'none'"),
        ("GET", "/v2/models/nett", 404, "did you mean 'net'"),
        ("GET", "/v2/models/net/versions/9", 404, "no version '9'"),
        ("POST", "/v2/models/none/infer", 404, "no model 'none'"),
        ("GET", "/v2/models/net/infer", 405, "GET is not for /v2/models/net/infer (it takes POST)"),
        ("DELETE", "/v2/models/net", 405, "DELETE is not for"),
        ("POST", "/v2/health/live", 405, "POST is not for"),
        ("POST", "/v2/repository/models/none/load", 404, "no model"),
        ("GET", "/v2/models/%2e%2e%2fetc/config", 404, ""),
    ],
)
def test_what_is_not_there(net: Server, client: Client, method: str, path: str, code: int, said: str):
    answer = client(net).request(method, path)
    assert answer.status_code == code
    assert said in answer.json()["error"]
    if code == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (b"", {}, "empty"),
        (b"{", {}, "JSON is wrong"),
        (b"[]", {}, "JSON is wrong"),
        (b"{}", {}, "inputs"),
        (b"\xff\xfe", {}, "JSON is wrong"),
        (b"[" * 100_000, {}, "JSON is wrong"),
        (b'{"inputs": []}', {}, "was not given"),
        (b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32"}]}', {}, "has no data"),
        (b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP33", "data": []}]}', {}, "no dtype 'FP33'"),
        (b'{"inputs": [{"name": "x", "shape": [-1, 4], "datatype": "FP32", "data": []}]}', {}, "is no shape"),
        (b'{"inputs": [{"name": "x", "shape": [99999999999, 4], "datatype": "FP32", "data": [1]}]}', {}, "do not fill"),
        (b'{"inputs": [{"name": "x", "shape": "4", "datatype": "FP32", "data": []}]}', {}, "JSON is wrong"),
        (json.dumps({"inputs": GOOD["inputs"] * 2}).encode(), {}, "given twice"),
        (json.dumps({**GOOD, "outputs": [{"name": "z"}]}).encode(), {}, "no output 'z'"),
        (
            json.dumps({**GOOD, "outputs": [{"name": "y", "parameters": {"classification": "many"}}]}).encode(),
            {},
            "classification is 'many'",
        ),
        (json.dumps({**GOOD, "parameters": {"timeout": -5}}).encode(), {}, "timeout is -5"),
        (b"{}xxxx", {"Inference-Header-Content-Length": "99"}, "is 99, and the body has 6"),
        (b"{}", {"Inference-Header-Content-Length": "-1"}, "is no number"),
        (b"{}", {"Inference-Header-Content-Length": "two"}, "is no number"),
        (
            json.dumps(GOOD).encode() + b"1234",
            {"Inference-Header-Content-Length": str(len(json.dumps(GOOD)))},
            "follow",
        ),
        (b"not gzip", {"Content-Encoding": "gzip"}, "no gzip data"),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}, "end too early"),
        (b"{}", {"Content-Encoding": "br"}, "br is not known"),
    ],
)
def test_what_is_no_inference(net: Server, client: Client, body: bytes, headers: dict[str, str], said: str):
    answer = client(net).post("/v2/models/net/infer", content=body, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("size", "rest", "said"),
    [(16, b"\0" * 8, "16 bytes begin at 0 of 8"), (8, b"\0" * 8, "8 bytes do not fill"), (-1, b"", "is -1")],
)
def test_binary_data_that_is_not_as_long_as_it_says(net: Server, client: Client, size: int, rest: bytes, said: str):
    head = json.dumps(
        {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": size}}]}
    ).encode()
    answer = client(net).post(
        "/v2/models/net/infer", content=head + rest, headers={"Inference-Header-Content-Length": str(len(head))}
    )
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_body_that_unpacks_to_more_than_is_taken(net: Server, client: Client):
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 1_000_000
    answer = client(net).post("/v2/models/net/infer", content=bomb, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413


def test_a_body_that_grows_beyond_what_is_taken(net: Server, client: Client):
    answer = client(net).post("/v2/models/net/infer", content=(b"x" * 100_000 for _ in range(20)))  # chunked
    assert answer.status_code == 413
    assert still_there(net)


def test_bodies_beyond_the_memory_for_them_are_put_off(serve: Serve, tiny: Callable[..., Path], client: Client):
    net = serve({"net": tiny()}, max_bodies=1000)
    answer = client(net).post("/v2/models/net/infer", content=b"x" * 2000)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    _until(lambda: net.services.room.used == 0)
    assert still_there(net)


def test_a_full_queue_is_told_with_when_to_come_back(serve: Serve, tiny: Callable[..., Path], provider: GatedProvider):
    net = serve({"net": ModelSpec(tiny(), instances=1, queue=0)})
    provider.close_gate()
    with socket.create_connection(net.address, 20) as first:
        body = json.dumps(GOOD).encode()
        first.sendall(post(len(body)) + body)
        provider.wait_entered()
        answer = httpx.post(f"{net.url}/v2/models/net/infer", json=GOOD)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "queue" in answer.json()["error"]
        provider.gate.set()
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
    assert net.services.models.version("net").counter.read().refused == 1


def test_who_goes_away_before_their_turn_is_not_served(
    serve: Serve, tiny: Callable[..., Path], provider: GatedProvider
):
    net = serve({"net": ModelSpec(tiny(), instances=1)})
    version = net.services.models.version("net")
    provider.close_gate()
    body = json.dumps(GOOD).encode()
    with socket.create_connection(net.address, 20) as first:
        first.sendall(post(len(body)) + body)
        provider.wait_entered()
        with socket.create_connection(net.address, 20) as second:
            second.sendall(post(len(body)) + body)
            _until(lambda: version.lane is not None and version.lane.waiting == 1)
        _until(lambda: version.counter.read().gone == 1)
        assert version.lane is not None
        assert version.lane.waiting == 0
        provider.gate.set()
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
    _until(lambda: net.services.counts["client_gone"] == 1)
    assert len(provider.models[-1].given) == 2  # the warm-up and the first


def test_a_request_may_say_how_long_it_waits(serve: Serve, tiny: Callable[..., Path], provider: GatedProvider):
    net = serve({"net": ModelSpec(tiny(), instances=1)})
    provider.close_gate()
    answer = httpx.post(f"{net.url}/v2/models/net/infer", json={**GOOD, "parameters": {"timeout": 100_000}})
    assert answer.status_code == 504
    assert "took longer" in answer.json()["error"]


@pytest.mark.parametrize("way", ["late", "gone"])
def test_who_is_not_answered_does_not_count_as_answered(
    serve: Serve, tiny: Callable[..., Path], provider: GatedProvider, way: str
):
    net = serve({"net": ModelSpec(tiny(), instances=1)})
    version = net.services.models.version("net")
    provider.close_gate()
    if way == "late":
        asked = {**GOOD, "parameters": {"timeout": 1000}}
        assert httpx.post(f"{net.url}/v2/models/net/infer", json=asked, timeout=20).status_code in (503, 504)
    else:
        body = json.dumps(GOOD).encode()
        with socket.create_connection(net.address, 20) as connection:
            connection.sendall(post(len(body)) + body)
            provider.wait_entered()
        _until(lambda: version.counter.read().gone == 1)
    provider.gate.set()
    assert httpx.post(f"{net.url}/v2/models/net/infer", json=GOOD, timeout=20).status_code == 200
    counts = version.counter.read()
    assert (counts.success.count, counts.fail.count, counts.overdue + counts.gone) == (1, 0, 1)


def test_a_body_that_grows_when_it_is_unpacked_is_counted_as_it_grows(
    serve: Serve, tiny: Callable[..., Path], client: Client
):
    net = serve({"net": tiny()}, max_bodies=3_000_000)
    answer = client(net).post(
        "/v2/models/net/infer", content=gzip.compress(b" " * 20_000_000), headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    _until(lambda: net.services.room.used == 0)
    packed = gzip.compress(json.dumps(GOOD).encode() + b" " * 2_500_000)
    answer = client(net).post("/v2/models/net/infer", content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 200


@pytest.mark.parametrize("line_ends", [b"\r\n", b"\n\n"])
def test_line_ends_between_requests_hold_no_connection(serve: Serve, tiny: Callable[..., Path], line_ends: bytes):
    net = serve({"net": tiny()}, header_timeout_s=0.1)
    with socket.create_connection(net.address, 20) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        connection.sendall(line_ends)
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")
        assert connection.recv(65536) == b""


def test_a_request_after_line_ends_is_answered(net: Server):
    with socket.create_connection(net.address, 20) as connection:
        for _ in range(3):
            connection.sendall(b"\r\n")
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_defect_shows_no_trace(serve: Serve, tiny: Callable[..., Path], client: Client, caplog, monkeypatch):
    net = serve({"net": tiny()})
    monkeypatch.setattr("weft.serve.oip.documents.server_metadata", lambda: 1 / 0)
    answer = client(net).get("/v2")
    assert answer.status_code == 500
    assert answer.json() == {"error": "the server failed; its log says why"}
    assert "ZeroDivisionError" in caplog.text


def _until(met: Callable[[], bool]) -> None:
    """Waits for what no event tells of."""
    import threading
    import time

    deadline = time.monotonic() + 20
    while not met():
        assert time.monotonic() < deadline
        threading.Event().wait(0.002)
