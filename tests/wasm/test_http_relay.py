"""The relay: what it passes on, and to whom."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.http_server import Server
from tests.wasm.few_files import cure_with_few_files
from weft.core.hosts import Target, parse_host
from weft.wasm.guard import Refusal
from weft.wasm.http import dial
from weft.wasm.http.carry import rewritten
from weft.wasm.http.dial import MAX_LOOKUPS, allowed, dialled
from weft.wasm.http.exchange import Exchange
from weft.wasm.http.faults import HttpFault
from weft.wasm.http.fetch import checked
from weft.wasm.http.relay import MAX_HEAD, relay

SECRET = "5" * 32
WAIT_S = 20.0


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def exchange(server: Server, received: list[int] | None = None) -> Exchange:
    def told(nbytes: int) -> bool:
        if received is not None:
            received.append(nbytes)
        return True

    return Exchange(Target("http", "127.0.0.1", server.port), "own.example", math.inf, lambda: False, told)


def connected(server: Server) -> Exchange:
    made = exchange(server)
    relay().connect(made, [parse_host(f"127.0.0.1:{server.port}")], 10.0)
    return made


def said_to(request: bytes) -> bytes:
    """What the relay answers to bytes, until it ends or breaks the connection off."""
    answer = b""
    with socket.create_connection(relay().address, timeout=30.0) as client:
        client.sendall(request)
        try:
            while piece := client.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


def test_a_relay_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    assert "ulimit -n" in cure_with_few_files("relay", 0, tmp_path)


def test_a_head_is_rewritten() -> None:
    head = f"GET /{SECRET}/a?b HTTP/1.1\r\nHost: 127.0.0.1:1\r\nx: host: y\r\nCONNECTION: keep-alive\r\n\r\n".encode()
    assert rewritten(head, SECRET, "example.org:81") == (
        b"GET /a?b HTTP/1.1\r\nhost: example.org:81\r\nconnection: close\r\nx: host: y\r\n\r\n"
    )


@pytest.mark.parametrize(("path", "wanted"), [("", "/"), ("?a", "/?a"), ("/", "/"), ("*", "*")])
def test_a_path_begins_with_a_slash(path: str, wanted: str) -> None:
    head = f"GET /{SECRET}{path} HTTP/1.1\r\n\r\n".encode()
    assert rewritten(head, SECRET, "a").startswith(f"GET {wanted} HTTP/1.1\r\n".encode())


def test_bytes_pass_both_ways_and_are_counted(server: Server) -> None:
    received: list[int] = []
    made = exchange(server, received)
    relay().connect(made, [parse_host(f"127.0.0.1:{server.port}")], 10.0)
    answer = said_to(f"GET /{made.secret}/a HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert answer.endswith(b"\r\n\r\ngot ")
    assert sum(received) == len(answer)
    assert server.requests[0][2] == {"host": "own.example", "connection": "close"}
    assert made.ended


@pytest.mark.parametrize(
    ("name", "value"),
    [("host ", "x"), ("Host\t", "x"), ("content-length ", "3"), ("", "x"), ("x", "a\r\n host: b"), ("x", "a\nb")],
)
def test_what_some_servers_take_for_another_header_is_refused(name: str, value: str) -> None:
    """With another host's name a request could reach what was not granted, on the same address."""
    with pytest.raises(Refusal) as refusal:
        checked([("x-plain", "tab\tand ü"), (name, value)])
    assert refusal.value.kind == "invalid"


def test_a_secret_is_good_for_one_request(server: Server) -> None:
    made = connected(server)
    request = f"GET /{made.secret}/a HTTP/1.1\r\nhost: x\r\n\r\n".encode()
    assert said_to(request)
    assert said_to(request) == b""
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + SECRET.encode() + b"/ HTTP/1.1\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n",
        b"\xff\xfe / /\r\n\r\n",
        b"x" * (MAX_HEAD + 4),
    ],
)
def test_whoever_else_comes_is_not_answered(server: Server, request_bytes: bytes) -> None:
    waiting = connected(server)
    assert said_to(request_bytes) == b""
    assert server.requests == []
    relay().end(waiting)


def test_an_exchange_that_is_given_up_hangs_up(server: Server) -> None:
    made = connected(server)
    assert made.writer is not None
    relay().end(made)
    assert said_to(f"GET /{made.secret}/a HTTP/1.1\r\nhost: x\r\n\r\n".encode()) == b""
    assert server.requests == []


def test_connecting_ends_when_the_function_is_over() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        made = Exchange(Target("https", "127.0.0.1", port), "a", math.inf, over.is_set, lambda _: True)
        threading.Timer(0.1, over.set).start()
        with pytest.raises(HttpFault) as fault:  # nobody there answers the handshake
            relay().connect(made, [parse_host(f"127.0.0.1:{port}")], 60.0)
    assert fault.value.code == "connection-timeout"


def test_connecting_has_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        made = Exchange(Target("https", "127.0.0.1", port), "a", math.inf, lambda: False, lambda _: True)
        with pytest.raises(HttpFault) as fault:
            relay().connect(made, [parse_host(f"127.0.0.1:{port}")], 0.1)
    assert fault.value.code == "connection-timeout"


def test_of_a_hosts_addresses_only_the_allowed_are_tried() -> None:
    from ipaddress import ip_address

    asked = Target("http", "example.org", 8080)
    mixed = [ip_address("10.0.0.1"), ip_address("93.184.216.34")]
    assert allowed(asked, mixed, []) == mixed[1:]
    with pytest.raises(HttpFault) as fault:
        allowed(asked, mixed[:1], [])
    assert fault.value.code == "destination-IP-prohibited"
    assert "--http 10.0.0.1:8080" in fault.value.cure


def test_a_child_process_has_a_relay_of_its_own(server: Server) -> None:
    connected(server)
    read, write = os.pipe()
    child = os.fork()
    if not child:  # nothing of the test run may go on here
        try:
            os.write(write, b"y" if relay().port else b"n")
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 1) == b"y"
    os.close(read)
    os.waitpid(child, 0)


def test_nothing_of_it_is_loaded_before_a_request_is_made() -> None:
    code = (
        "import sys, weft, weft.wasm.function; sys.exit(sorted({'asyncio', 'ssl', 'http.client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() in ("", "[]")


def test_names_nobody_answers_for_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    go, begun = threading.Event(), threading.Semaphore(0)

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        begun.release()
        go.wait(WAIT_S)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    async def ask() -> list[str]:
        target = Target("http", "nobody.example", 80)
        found = []
        for _ in range(MAX_LOOKUPS + 3):
            with pytest.raises(HttpFault) as caught:
                await dialled(target, [], 0.01)
            found.append(caught.value.code)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    codes = asyncio.run(ask())
    assert (codes[:MAX_LOOKUPS], codes[MAX_LOOKUPS:]) == (["connection-timeout"] * MAX_LOOKUPS, ["DNS-error"] * 3)
    assert sum(begun.acquire(timeout=WAIT_S) for _ in range(MAX_LOOKUPS)) == MAX_LOOKUPS
    assert not begun.acquire(blocking=False)
    ended = [thread for thread in threading.enumerate() if thread.name == "weft-resolve"]
    go.set()
    for thread in ended:
        thread.join(WAIT_S)
    assert all(dial._lookups.acquire(blocking=False) for _ in range(MAX_LOOKUPS))
    dial._lookups.release(MAX_LOOKUPS)
