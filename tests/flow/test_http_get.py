"""The small server of read-only pages: whatever comes, it answers or hangs up, and goes on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import UnavailableError
from weft.flow import http_get
from weft.flow.http_get import MAX_CLIENTS, MAX_REQUEST, UNANSWERED, GetServer, Page, answer

LARGE = b"x" * 8_000_000


def broken() -> Page:
    raise KeyError("a counter")


PAGES = {"/": lambda: Page(b"hello"), "/large": lambda: Page(LARGE), "/broken": broken}
WITHIN_S = 10.0


@pytest.fixture
def server() -> Iterator[GetServer]:
    made = GetServer("127.0.0.1", 0, PAGES)
    yield made
    made.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, server: GetServer) -> GetServer:
    """It gives up soon who says or reads nothing."""
    monkeypatch.setattr(http_get, "PATIENCE_S", 0.3)
    return server


def until(fits: Callable[[], bool]) -> None:
    """Wait for what the server counts when a client has its answer already."""
    deadline = time.monotonic() + WITHIN_S
    while not fits():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def connect(server: GetServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=WITHIN_S)


def read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def ask(server: GetServer, request: bytes) -> bytes:
    with connect(server) as connection:
        connection.sendall(request)
        return read_all(connection)


def status(server: GetServer, request: bytes) -> int:
    return int(ask(server, request).split()[1])


def get(server: GetServer, path: str = "/") -> bytes:
    host, port = server.address
    with urlopen(f"http://{host}:{port}{path}", timeout=WITHIN_S) as response:
        return response.read()


def test_a_page_is_served_to_an_ordinary_client(server: GetServer):
    assert get(server) == b"hello"
    assert get(server, "/?a=b") == b"hello"
    assert get(server, "/large") == LARGE
    until(lambda: server.counts == {200: 3})


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"HEAD / HTTP/1.1\r\n\r\n", 405),
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /broken HTTP/1.1\r\n\r\n", 500),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * (MAX_REQUEST + 1), 400),
    ],
)
def test_wrong_requests_get_their_status(server: GetServer, request_: bytes, wanted: int):
    assert status(server, request_) == wanted
    assert get(server) == b"hello"


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(request_: bytes):
    found, whole = answer(request_, {"/": lambda: Page(b"hello")})
    assert isinstance(found, HTTPStatus)
    assert whole.startswith(b"HTTP/1.1 ")
    assert b"\r\n\r\n" in whole


def test_a_request_may_come_a_byte_at_a_time(server: GetServer):
    with connect(server) as connection:
        for byte in b"GET / HTTP/1.1\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert read_all(connection).endswith(b"hello")


def test_one_who_says_nothing_delays_nobody(server: GetServer):
    with connect(server):
        assert get(server) == b"hello"
        assert UNANSWERED not in server.counts  # it is not given up yet


def test_one_who_says_nothing_is_given_up(hasty: GetServer):
    with connect(hasty) as silent:
        assert silent.recv(1) == b""
    assert hasty.counts[UNANSWERED] == 1


def test_one_who_does_not_read_is_given_up_and_delays_nobody(hasty: GetServer):
    with connect(hasty) as stuck:
        stuck.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert get(hasty) == b"hello"
        while UNANSWERED not in hasty.counts:
            assert get(hasty) == b"hello"


def test_one_too_many_pushes_out_the_one_who_came_first(server: GetServer):
    idle = [connect(server) for _ in range(MAX_CLIENTS)]
    try:
        assert get(server) == b"hello"
        assert idle[0].recv(1) == b""
        idle[-1].sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_all(idle[-1]).endswith(b"hello")
    finally:
        for connection in idle:
            connection.close()


def test_one_who_hangs_up_is_forgotten(server: GetServer):
    connect(server).close()
    with connect(server) as rude:
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # ends with a reset
        rude.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    while server.counts.get(UNANSWERED, 0) < 2:
        assert get(server) == b"hello"


def test_a_closed_server_leaves_its_port(server: GetServer):
    with connect(server) as waiting:
        server.close()
        server.close()
        assert waiting.recv(1) == b""
    again = GetServer(*server.address, PAGES)
    again.close()


def test_an_address_that_is_taken_is_told(server: GetServer):
    with pytest.raises(UnavailableError, match="cannot listen there: Address already in use"):
        GetServer(*server.address, PAGES)
    with pytest.raises(UnavailableError, match="cannot listen"):
        GetServer("no.such.host.invalid", 0, PAGES)
