"""The server of the pages: bound where it was told, run on a thread of its own."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from weft.core.errors import UnavailableError
from weft.dashboard.wire import MAX_MESSAGE
from weft.flow.metrics_server import format_address, parse_address

TOKEN_BYTES = 24
MAX_CONNECTIONS = 256
PATIENCE_S = 2.0
"""How long pages may take to say goodbye when the server ends."""

PING_S = 10.0
"""A page whose machine does not answer a ping for so long is gone."""

MakeApp = Callable[[str, int], ASGIApp]
"""Makes what is served, given the token (empty where none is needed) and the port."""


class PageServer:
    """Serves an application until it is closed.

    Attributes:
        url: what people open; with the token where one is needed.
        token: that; empty where only this machine reaches the server.
    """

    def __init__(self, make: MakeApp, address: str) -> None:
        """``address`` is ``host:port``; port 0 takes one that is free. Raises UsageError, UnavailableError."""
        listening = _listen(*parse_address(address))
        host, port = listening.getsockname()[:2]
        self.token = "" if ipaddress.ip_address(host).is_loopback else secrets.token_urlsafe(TOKEN_BYTES)
        self.url = f"http://{format_address(_reachable(host), port)}/" + (f"?token={self.token}" if self.token else "")
        self._server = uvicorn.Server(_config(make(self.token, port)))
        self._thread = Thread(target=self._server.run, args=([listening],), name="weft-pages", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving; pages are told. The second time nothing happens."""
        self._server.should_exit = True
        self._thread.join()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,  # pictures are compressed already
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=round(PATIENCE_S),
        proxy_headers=False,
        server_header=False,
        access_log=False,  # it would hold the token
        log_config=None,
        log_level="warning",
    )


def _listen(host: str, port: int) -> socket.socket:
    where = format_address(host, port)
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(found[:2], family=family)
    except OSError as error:
        cure = "take another port, or 0 for a free one" if port else "name an address of this machine"
        raise UnavailableError(f"cannot listen: {error.strerror or error}", where=where, cure=cure) from error


def _reachable(host: str) -> str:
    """What others call a server that listens on all addresses."""
    return socket.gethostname() if ipaddress.ip_address(host).is_unspecified else host
