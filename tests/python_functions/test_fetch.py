"""``weft.fetch``: requests of Python functions, in both forms, to a real server."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.http_server import Server
from weft import Frame, Grants, Limits, LoadedFunction, load
from weft.core.errors import GuestError, LimitError, TimeLimitError
from weft.core.hosts import parse_host

ASKS = """
import json, weft
def handle(frame):
    asked = json.loads(frame.text())
    try:
        found = weft.fetch(**asked)
    except weft.HostError as error:
        return {"kind": error.kind, "said": str(error)}
    return {"status": found.status, "ok": found.ok, "size": len(found.body), "text": found.text()[:100],
            "length": found.headers.get("content-length")}
"""
DEFAULT = Limits()
Answer = dict[str, Any]
Ask = Callable[..., Answer]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(params=["component", "stdio"])
def function(
    request: pytest.FixtureRequest, kept: None, wasi_python: None, tmp_path: Path
) -> Iterator[Callable[..., LoadedFunction]]:
    """``function(*hosts)`` makes the request that a frame's text says."""
    path = tmp_path / "asks.py"
    path.write_text(ASKS)
    loaded: list[LoadedFunction] = []

    def made(*hosts: str, limits: Limits = DEFAULT, text: str = ASKS) -> LoadedFunction:
        path.write_text(text)
        loaded.append(load(path, abi=request.param, grants=Grants(http=tuple(map(parse_host, hosts))), limits=limits))
        return loaded[-1]

    yield made
    for one in loaded:
        one.close()


@pytest.fixture
def ask(server: Server, function: Callable[..., LoadedFunction]) -> Ask:
    """``ask("/path", body=…)`` is what became of a request to the server, which is granted."""

    def asked(path: str, *, limits: Limits = DEFAULT, **options: Any) -> Answer:
        return answer(
            function(f"127.0.0.1:{server.port}", limits=limits), f"http://127.0.0.1:{server.port}{path}", options
        )

    return asked


def answer(function: LoadedFunction, url: str, options: Answer | None = None) -> Answer:
    [emitted] = function(Frame(json.dumps({"url": url, **(options or {})}).encode()))
    found: Answer = json.loads(emitted.payload)
    return found


def test_a_get(server: Server, ask: Ask) -> None:
    assert ask("/a?b=%20c") == {"status": 200, "ok": True, "size": 4, "text": "got ", "length": "4"}
    [(method, path, headers, _)] = server.requests
    assert (method, path, headers["host"]) == ("GET", "/a?b=%20c", f"127.0.0.1:{server.port}")
    assert headers["user-agent"] == "weft"


def test_a_post_of_text_and_of_json(server: Server, ask: Ask) -> None:
    assert ask("/in", body="föö", headers={"X-Own": "1"})["text"] == "got föö"
    assert server.requests[0][0] == "POST"
    assert server.requests[0][2]["x-own"] == "1"
    assert server.requests[0][2]["content-length"] == "5"


def test_json_is_said_to_be(server: Server, ask: Ask) -> None:
    assert ask("/in", json={"a": [1]}, method="PUT")["text"] == 'got {"a": [1]}'
    assert server.requests[0][0] == "PUT"
    assert server.requests[0][2]["content-type"] == "application/json"


def test_a_body_of_a_megabyte(ask: Ask) -> None:
    assert ask("/large")["size"] == 2**20


def test_a_path_with_a_blank_is_no_request(server: Server, ask: Ask) -> None:
    assert ask("/a b")["kind"] == "invalid"
    assert ask("/a", headers={"Host ": "example.org"})["kind"] == "invalid"
    assert server.requests == []


def test_another_host_is_denied(
    server: Server, function: Callable[..., LoadedFunction], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "weft.guest"):
        said = answer(function("example.org"), f"http://127.0.0.1:{server.port}/")
    assert said == {"kind": "denied", "said": f"no request to 127.0.0.1:{server.port} was granted"}
    assert f"--http 127.0.0.1:{server.port}" in caplog.text
    assert server.requests == []


def test_without_a_grant_every_host_is_denied_and_the_error_says_the_cure(
    function: Callable[..., LoadedFunction],
) -> None:
    text = "import weft\ndef handle(frame):\n    weft.fetch('https://example.org/')\n"
    with pytest.raises(GuestError, match=r"no request to example\.org was granted") as refused:
        function(text=text)(Frame(b""))
    assert "--http example.org" in refused.value.cure


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("nothing", {}),
        ("ftp://example.org/", {}),
        ("http://user:secret@example.org/", {}),
        ("http://[::1/", {}),
        ("http://example.org/", {"headers": {"Transfer-Encoding": "chunked"}}),
        ("http://example.org/", {"method": "connect"}),
    ],
)
def test_what_is_no_request_is_refused(function: Callable[..., LoadedFunction], url: str, options: Answer) -> None:
    assert answer(function("example.org"), url, options)["kind"] == "invalid"


@pytest.mark.parametrize(
    "options",
    [{"headers": {"x": "a\r\nhost: other"}}, {"headers": {"x\r\ny": "a"}}, {"method": "GET / HTTP/1.1\r\nx:"}],
)
def test_nothing_is_smuggled_into_a_request(server: Server, ask: Ask, options: Answer) -> None:
    assert ask("/", **options)["kind"] == "invalid"
    assert server.requests == []


@pytest.mark.parametrize("path", ["/short", "/reset", "/garbage"])
def test_half_an_answer_is_none(ask: Ask, path: str) -> None:
    assert ask(path)["kind"] == "failed"


@pytest.mark.parametrize("path", ["/wait", "/stall"])
def test_the_functions_time_ends_the_wait(server: Server, ask: Ask, path: str) -> None:
    with pytest.raises(TimeLimitError):
        ask(path, limits=Limits(time=1.0))
    assert server.gone.wait(30.0)


def test_an_answer_without_an_end_is_bounded(server: Server, ask: Ask) -> None:
    with pytest.raises(LimitError, match="over HTTP"):
        ask("/endless", limits=Limits(http=2**20))
    assert server.gone.wait(30.0)
