"""A very small HTTP server for a few pages that are read: GET only, one thread, and a limit on everything.

It runs beside a pipeline and must never be a burden to it. A request is at most 8 KiB, everybody has five seconds from
connecting to having read the answer, and at most 32 are served at a time: the one who has been there longest is given
up for a new one. Each answer ends its connection.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Thread
from time import sleep

from weft.core.clock import monotonic
from weft.core.errors import UnavailableError
from weft.flow.faults import log

MAX_REQUEST = 8 * 1024
MAX_CLIENTS = 32
PATIENCE_S = 5.0

UNANSWERED = 0
"""Counted in place of a status for who came and was not answered: too slow, gone, or one too many."""

_PIECE = 64 * 1024
_RETRY_S = 0.05
_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    body: bytes
    media_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK


Pages = Mapping[str, Callable[[], Page]]


def answer(request: bytes, pages: Pages) -> tuple[HTTPStatus, bytes]:
    """The whole answer to a request, whatever its bytes are, and its status."""
    page = _page(request, pages)
    lines = [
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.media_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Allow: GET",
        "Connection: close",
    ]
    return page.status, "\r\n".join(lines).encode() + _END + page.body


def _page(request: bytes, pages: Pages) -> Page:
    line = request.split(b"\r\n", 1)[0].split(b" ")
    if len(line) != 3 or not line[2].startswith(b"HTTP/1.") or not line[1].startswith(b"/"):
        return _refused(HTTPStatus.BAD_REQUEST)
    if line[0] != b"GET":
        return _refused(HTTPStatus.METHOD_NOT_ALLOWED)
    make = pages.get(line[1].split(b"?", 1)[0].decode("latin-1"))
    if make is None:
        return _refused(HTTPStatus.NOT_FOUND, f": {' '.join(pages)} are here")
    try:
        return make()
    except Exception:  # noqa: BLE001 - a page reads counters that foreign code keeps; nobody else must suffer for it
        log.exception("a page could not be made")
        return _refused(HTTPStatus.INTERNAL_SERVER_ERROR)


def _refused(status: HTTPStatus, more: str = "") -> Page:
    return Page(f"{status.phrase}{more}\n".encode(), status=status)


@dataclass(slots=True, eq=False)
class _Client:
    """One connection. What it is to be sent is there once its request is whole."""

    socket: socket.socket
    until: float
    received: bytearray = field(default_factory=bytearray)
    status: int = UNANSWERED
    unsent: memoryview | None = None


class GetServer:
    """Serves ``pages`` at an address until it is closed.

    Attributes:
        address: host and port; the port that was found where 0 was asked for.
        counts: requests by status, ``UNANSWERED`` included.
    """

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        """Raises UnavailableError when the address cannot be had."""
        self._pages = pages
        self._listener = _listen(host, port)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.counts: dict[int, int] = {}
        self._clients: dict[_Client, None] = {}  # in the order in which they came
        self._stopped, self._stop = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._stopped, selectors.EVENT_READ)
        self._thread = Thread(target=self._serve, name="weft:metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and leave the port. The second time nothing happens."""
        self._stop.close()
        self._thread.join()

    # --- its thread ----------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while self._turn():
                self._give_up_slow()
        finally:
            for client in list(self._clients):
                self._end(client)
            for closing in (self._selector, self._listener, self._stopped):
                closing.close()

    def _turn(self) -> bool:
        oldest = next(iter(self._clients), None)
        wait = None if oldest is None else max(oldest.until - monotonic(), 0.0)
        for key, _ in self._selector.select(wait):
            if key.fileobj is self._stopped:
                return False
            if key.fileobj is self._listener:
                self._accept()
            elif key.data in self._clients:  # else given up a moment ago
                self._attend(key.data)
        return True

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as error:  # who called has hung up, or this process may open no more files
            log.debug("a connection was not accepted: %s", error)
            sleep(_RETRY_S)  # in the second case it would be told again at once
            return
        if len(self._clients) >= MAX_CLIENTS:
            self._end(next(iter(self._clients)))
        connection.setblocking(False)
        client = _Client(connection, monotonic() + PATIENCE_S)
        self._clients[client] = None
        self._selector.register(connection, selectors.EVENT_READ, client)

    def _attend(self, client: _Client) -> None:
        try:
            if client.unsent is None:
                self._receive(client)
            else:
                self._send(client)
        except BlockingIOError:
            return
        except OSError:
            self._end(client)

    def _receive(self, client: _Client) -> None:
        piece = client.socket.recv(MAX_REQUEST)
        client.received += piece
        if not piece:
            self._end(client)
        elif len(client.received) > MAX_REQUEST:
            self._reply(client, b"")
        elif _END in client.received:
            self._reply(client, bytes(client.received))

    def _reply(self, client: _Client, request: bytes) -> None:
        status, whole = answer(request, self._pages)
        client.status, client.unsent = status.value, memoryview(whole)
        self._selector.modify(client.socket, selectors.EVENT_WRITE, client)
        self._send(client)

    def _send(self, client: _Client) -> None:
        assert client.unsent is not None
        client.unsent = client.unsent[client.socket.send(client.unsent[:_PIECE]) :]
        if not client.unsent:
            self._end(client, client.status)

    def _give_up_slow(self) -> None:
        now = monotonic()
        for client in [client for client in self._clients if client.until <= now]:
            self._end(client)

    def _end(self, client: _Client, status: int = UNANSWERED) -> None:
        del self._clients[client]
        self._selector.unregister(client.socket)
        self.counts[status] = self.counts.get(status, 0) + 1  # before the client can know that it is over
        with suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        client.socket.close()


def _listen(host: str, port: int) -> socket.socket:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        cure = "name another address, or port 0 for any that is free"
        raise UnavailableError(f"cannot listen there: {error.strerror}", where=shown, cure=cure) from error
    listener.setblocking(False)
    return listener
