"""Functions over HTTP, as clients see them."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import httpx
import pytest

from tests.conftest import missing
from tests.guests.build import GUESTS, compile_guest, shared_folder
from tests.serve.conftest import Serve, raw
from tests.serve.functions import PATIENCE_S, events, spec, start, streamed
from tests.serve.gated import GatedProvider
from weft.core.errors import UsageError
from weft.flow.functions import FunctionOptions
from weft.serve.functions.service import Functions
from weft.serve.functions.shown import without_paths
from weft.serve.functions.spec import FunctionSpec
from weft.serve.models.spec import ModelSpec
from weft.serve.server import Server

Client = Callable[[Server], httpx.Client]
EVENT = {"ce-specversion": "1.0", "ce-id": "17", "ce-source": "/here", "ce-type": "a.kind"}


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_guest(GUESTS / "serving.c", shared_folder(tmp_path_factory))


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_guest(GUESTS / "command.c", shared_folder(tmp_path_factory))


@pytest.fixture
def ask(serve: Serve, module: Path, client: Client) -> httpx.Client:
    server, _ = start(serve, {"f": spec(module)})
    return client(server)


def test_body_in_body_out(ask: httpx.Client):
    for size in (0, 5, 300_000):
        answer = ask.post("/functions/f", content=b"\xff" * size, headers={"content-type": "image/jpeg"})
        assert (answer.status_code, answer.content) == (200, b"\xff" * size)
        assert answer.headers["content-type"] == "image/jpeg"


def test_put_is_taken_too(ask: httpx.Client):
    assert ask.put("/functions/f", content=b"abc").content == b"abc"


def test_nothing_emitted_is_204(ask: httpx.Client):
    answer = ask.post("/functions/f", content=b"nothing")
    assert (answer.status_code, answer.content) == (204, b"")


def test_several_frames_are_parts(ask: httpx.Client):
    answer = ask.post("/functions/f", content=b"two")
    head = f"content-type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = list(message_from_bytes(head + answer.content, policy=HTTP).iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/plain"]
    assert [part["weft-stream"] for part in parts] == [None, "second"]
    assert [part.get_payload(decode=True) for part in parts] == [b"first", b"line\nand line"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x-colour", "blue"),
        ("authorization", "no such header"),
        ("cookie", "no such header"),
        ("x-api-key", "no such header"),
        ("connection", "no such header"),
        ("x-hop", "no such header"),
        ("host", "no such header"),
        ("query", "size=3"),
    ],
)
def test_headers_a_function_is_told(ask: httpx.Client, name: str, told: str):
    headers = {"x-colour": "blue", "authorization": "Bearer s", "cookie": "a=b", "x-api-key": "k", "x-hop": "1"}
    headers["connection"] = "keep-alive, x-hop"
    answer = ask.post("/functions/f?size=3", content=f"header {name}".encode(), headers=headers)
    assert answer.text == told
    assert "x-colour" not in answer.headers  # the request's own headers do not come back


def test_a_body_without_a_type_is_what_it_looks_like(ask: httpx.Client):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert ask.post("/functions/f", content=b"\xff\xd8\xff\xe0", headers=form).headers["content-type"] == "image/jpeg"
    assert ask.post("/functions/f", content=b"a=1&b=2", headers=form).headers["content-type"] == form["content-type"]
    assert ask.post("/functions/f", content=b'{"a": 1}').headers["content-type"] == "application/json"


def test_a_failure_tells_its_reason_and_no_more(ask: httpx.Client):
    for what, said in (("trap", "gave up"), ("fail", "returned 3")):
        answer = ask.post("/functions/f", content=what.encode())
        assert answer.status_code == 500
        assert said in answer.json()["error"]
        assert "/etc" not in answer.text
        assert ask.post("/functions/f", content=b"next").content == b"next"
    assert ask.get("/functions/f").json()["counts"]["failed"] == 2


def test_paths_become_names():
    assert without_paths("cannot open /etc/secret/key.pem: no (see C:\\Users\\me\\x.txt)") == (
        "cannot open key.pem: no (see x.txt)"
    )
    assert without_paths("1/2 of http://a.example/b/c, f32[1,4]") == "1/2 of http://a.example/b/c, f32[1,4]"


def test_a_loop_is_ended_and_answered_504(serve: Serve, module: Path, client: Client):
    server, functions = start(serve, {"f": spec(module, timeout_s=0.2)})
    answer = client(server).post("/functions/f", content=b"loop")
    assert answer.status_code == 504
    assert client(server).post("/functions/f", content=b"next").content == b"next"
    assert functions.get("f").counts.overdue == 1


def test_a_command_reads_the_body_and_prints_the_answer(serve: Serve, command: Path, client: Client):
    failing = FunctionSpec(command, FunctionOptions(args=("exit", "3")), instances=1)
    server, _ = start(serve, {"cat": spec(command), "bad": failing})
    ask = client(server)
    answer = ask.post("/functions/cat", content=b"to be copied")
    assert (answer.content, answer.headers["content-type"]) == (b"to be copied", "text/plain")
    refused = ask.post("/functions/bad", content=b"")
    assert refused.status_code == 500
    assert "code 3" in refused.json()["error"]
    with streamed(ask, "cat", b"one\ntwo") as stream:
        found = list(events(stream.iter_lines()))
    assert [one["data"] for one in found] == ["one\ntwo", '{"frames":1}']


def test_frames_are_streamed_as_they_are_emitted(
    serve: Serve, module: Path, client: Client, tiny: Callable[..., Path], provider: GatedProvider
):
    server, _ = start(serve, {"f": spec(module)}, {"net": tiny()})
    provider.close_gate()
    with streamed(client(server), "f", b"ask") as stream:
        found = events(stream.iter_lines())
        assert next(found) == {"id": "0", "data": "before"}  # while its inference stands at the gate
        provider.gate.set()
        assert next(found) == {"id": "1", "data": "after"}
        assert next(found) == {"event": "weft:end", "data": '{"frames":2}'}
    assert stream.headers["content-type"] == "text/event-stream"
    assert server.services.models.version("net").counter.read().inferences == 1  # the served one, in its queue


def test_a_stream_tells_names_bytes_and_failures(ask: httpx.Client):
    with streamed(ask, "f", b"two") as stream:
        assert list(events(stream.iter_lines()))[1] == {"event": "second", "id": "1", "data": "line\nand line"}
    with streamed(ask, "f", b"\xff\x00") as stream:
        (found, _) = events(stream.iter_lines())
        assert found["data"] == "data:application/octet-stream;base64,/wA="
    with streamed(ask, "f", b"half") as stream:
        assert [one.get("event") for one in events(stream.iter_lines())] == [None, "weft:error"]
    with streamed(ask, "f", b"trap") as stream:
        assert stream.status_code == 500
        assert "error" in json.loads(stream.read())


def test_a_full_queue_is_503_with_retry_after(
    serve: Serve, module: Path, client: Client, tiny: Callable[..., Path], provider: GatedProvider
):
    server, functions = start(serve, {"f": spec(module, queue=0)}, {"net": tiny()})
    ask = client(server)
    provider.close_gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask.post, "/functions/f", content=b"ask")
        provider.wait_entered()
        answer = ask.post("/functions/f", content=b"x")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        provider.gate.set()
        assert first.result(PATIENCE_S).status_code == 200
    assert functions.get("f").counts.refused == 1


def test_instances_work_at_the_same_time(
    serve: Serve, module: Path, client: Client, tiny: Callable[..., Path], provider: GatedProvider
):
    net = ModelSpec(tiny(), instances=3)
    server, _ = start(serve, {"f": spec(module, instances=3)}, {"net": net})
    ask = client(server)
    provider.close_gate()
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(ask.post, "/functions/f", content=b"ask") for _ in range(3)]
        provider.wait_entered(3)
        provider.gate.set()
        assert [call.result(PATIENCE_S).status_code for call in calls] == [200] * 3


def test_a_client_that_goes_away_ends_the_work(serve: Serve, module: Path, client: Client):
    server, functions = start(serve, {"f": spec(module)})
    with socket.create_connection(server.address, PATIENCE_S) as connection:
        connection.sendall(b"POST /functions/f HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nloop")
        while not functions.get("f").running:
            pass
    assert client(server).post("/functions/f", content=b"next").content == b"next"  # its one instance is free again
    assert functions.get("f").counts.gone == 1
    assert server.services.counts["client_gone"] == 1


def test_bodies_have_a_limit(serve: Serve, module: Path, client: Client):
    server, functions = start(serve, {"f": spec(module, max_body=10)}, max_body=1000)
    ask = client(server)
    assert ask.post("/functions/f", content=b"x" * 10).status_code == 200
    assert ask.post("/functions/f", content=b"x" * 11).status_code == 413
    assert ask.post("/functions/f", content=iter([b"x" * 11])).status_code == 413
    announced = raw(server, b"POST /functions/f HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000000\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413 ")
    assert functions.get("f").counts.succeeded == 1


def test_what_there_is(serve: Serve, module: Path, tmp_path: Path, client: Client):
    (tmp_path / "broken.wasm").write_bytes(b"\0asm nothing")
    server, _ = start(serve, {"f": spec(module, timeout_s=float("inf")), "broken": spec(tmp_path / "broken.wasm")})
    ask = client(server)
    listed = ask.get("/functions").json()["functions"]
    assert [(one["name"], one["state"]) for one in listed] == [("f", "READY"), ("broken", "UNAVAILABLE")]
    told = ask.get("/functions/f").json()
    assert (told["abi"], told["instances"], told["timeout_s"]) == ("reactor", 1, None)
    assert str(tmp_path) not in ask.get("/functions/broken").text
    assert ask.post("/functions/broken", content=b"").status_code == 503
    assert not server.services.ready
    for method, path, status in (
        ("POST", "/functions/g", 404),
        ("GET", "/functions/g", 404),
        ("PATCH", "/functions/f", 405),
    ):
        answer = ask.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]


def test_debug_tells_all(serve: Serve, module: Path, client: Client):
    server, _ = start(serve, {"f": spec(module)}, debug=True)
    assert "panic or abort" in client(server).post("/functions/f", content=b"trap").json()["error"]


def test_names_and_settings_that_cannot_be(module: Path):
    functions = Functions()
    functions.add("f", spec(module))
    for name in ("f", "a/b", ""):
        with pytest.raises(UsageError):
            functions.add(name, spec(module))
    for wrong in ({"timeout_s": 0}, {"queue": -1}, {"max_body": -1}):
        with pytest.raises(UsageError):
            spec(module, **wrong)


def test_binary_events_both_ways(ask: httpx.Client):
    headers = {**EVENT, "ce-subject": "caf%C3%A9", "content-type": "text/plain"}
    answer = ask.post("/functions/f", content=b"header ce-subject", headers=headers)
    assert answer.content.decode() == "café"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["ce-specversion"] == "1.0"
    assert answer.headers["ce-source"] == "/functions/f"
    assert answer.headers["ce-type"] == "weft.function.result"
    assert answer.headers["ce-id"] not in ("", "17")


@pytest.mark.parametrize(
    ("data", "given", "answered"),
    [
        ({"datacontenttype": "text/plain", "data": "hello"}, b"hello", {"data": "hello"}),
        ({"data": {"a": [1, 2]}}, b'{"a":[1,2]}', {"data": {"a": [1, 2]}}),
        ({"data": "text"}, b'"text"', {"data": "text"}),
        ({"datacontenttype": "image/x", "data_base64": "/wA="}, b"\xff\x00", {"data_base64": "/wA="}),
        ({}, b"", {}),
    ],
)
def test_structured_events_both_ways(ask: httpx.Client, data: dict, given: bytes, answered: dict):
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **data}
    kind = {"content-type": "application/cloudevents+json"}
    answer = ask.post("/functions/f", content=json.dumps(event), headers=kind)
    assert answer.headers["content-type"].startswith("application/cloudevents+json")
    found = answer.json()
    assert (found["specversion"], found["source"]) == ("1.0", "/functions/f")
    assert answered.items() <= found.items()
    if given:
        assert found["datacontenttype"] == data.get("datacontenttype", "application/json")


def test_several_results_of_an_event_are_a_batch(ask: httpx.Client):
    headers = {**EVENT, "accept": "application/cloudevents+json"}
    answer = ask.post("/functions/f", content=b"two", headers=headers)
    assert answer.headers["content-type"].startswith("application/cloudevents-batch+json")
    assert [one["data"] for one in answer.json()] == ["first", "line\nand line"]
    assert [one.get("subject") for one in answer.json()] == [None, "second"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"{}", "specversion"),
        (b'{"specversion": "0.3", "id": "1", "source": "s", "type": "t"}', "specversion"),
        (b'{"specversion": "1.0", "id": "", "source": "s", "type": "t"}', "no id"),
        (b'{"specversion": "1.0", "id": "1", "source": "s", "type": 3}', "no type"),
        (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "?"}', "no base64"),
        (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": 5}', "no base64"),
        (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": 1, "data_base64": "/w=="}', "both"),
        (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "Bad-Name": 1}', "name"),
        (b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "x": [1]}', "plain value"),
    ],
)
def test_events_that_are_none(ask: httpx.Client, body: bytes, said: str):
    answer = ask.post("/functions/f", content=body, headers={"content-type": "application/cloudevents+json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_batches_and_other_formats_are_refused(ask: httpx.Client):
    for kind in ("application/cloudevents-batch+json", "application/cloudevents+avro"):
        answer = ask.post("/functions/f", content=b"[]", headers={"content-type": kind})
        assert (answer.status_code, "application/cloudevents+json" in answer.text) == (400, True)


def test_curl_sends_any_bytes(ask: httpx.Client, tmp_path: Path):
    if not shutil.which("curl"):
        missing("curl", "install it")
    data = base64.b64decode("/9j/4AAQSkZJRg==") * 1000
    (tmp_path / "cat.jpg").write_bytes(data)
    words = ["curl", "--silent", "--fail", "--data-binary", f"@{tmp_path}/cat.jpg", f"{ask.base_url}/functions/f"]
    assert subprocess.run(words, capture_output=True, check=True).stdout == data
