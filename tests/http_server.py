"""A real HTTP server on a port of this machine, which misbehaves where a test asks it to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

PIECE = b"x" * 65536


class Server(ThreadingHTTPServer):
    """Answers until it is left.

    Attributes:
        requests: method, path, headers (in small letters) and body of each request, in order.
        asked: set when one has come.
        release: who asked for ``/held`` is answered when a test sets it.
        gone: set when who asked for ``/wait``, ``/endless`` or ``/drip`` has hung up.
        port: its port.
    """

    daemon_threads = True

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.asked, self.gone, self.release = threading.Event(), threading.Event(), threading.Event()
        self.port = int(self.server_address[1])
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no news."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, self._body()))
        self.server.asked.set()
        route = getattr(self, f"_{urlsplit(self.path).path[1:]}", self._echo)
        route()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_GET  # noqa: N815 - the library's names

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _start(self, length: int | None, status: int = 200) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("content-length", str(length))
        self.end_headers()

    def _echo(self) -> None:
        body = b"got " + self.server.requests[-1][3]
        self._start(len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _held(self) -> None:
        self.server.release.wait(60.0)
        self._echo()

    def _missing(self) -> None:
        self._start(0, 404)

    def _large(self) -> None:
        self._start(16 * len(PIECE))
        for _ in range(16):
            self.wfile.write(PIECE)

    def _unmeasured(self) -> None:
        self._start(None)
        self.wfile.write(b"all of it")
        self.close_connection = True

    def _wait(self) -> None:
        """No answer, until who asked has hung up."""
        with suppress(OSError):
            self.connection.recv(1)
        self.server.gone.set()
        self.close_connection = True

    def _stall(self) -> None:
        """The beginning of an answer."""
        with suppress(OSError):  # who asked may have hung up by now
            self._start(1000)
            self.wfile.write(b"some")
        self._wait()

    def _endless(self) -> None:
        self._start(None)
        try:
            while True:
                self.wfile.write(PIECE)
        except OSError:
            self.server.gone.set()

    def _short(self) -> None:
        self._start(1000)
        self.wfile.write(b"some")
        self.close_connection = True

    def _reset(self) -> None:
        """An answer without a length, broken off in a way that is no end."""
        self._start(None)
        self.wfile.write(b"some")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _garbage(self) -> None:
        self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
        self.close_connection = True

    def _moved(self) -> None:
        self.send_response(302)
        self.send_header("location", "http://169.254.169.254/secret")
        self.send_header("content-length", "0")
        self.end_headers()
