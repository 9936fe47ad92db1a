"""A real HTTP server whose answers a test writes, one after the other."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

WAIT_S = 60.0


class Web(ThreadingHTTPServer):
    """Gives each request the next of its answers, and the last one again and again.

    Attributes:
        requests: path and headers (in small letters) of each request, in order.
        release: set at the end, for answers that wait.
    """

    daemon_threads = True

    def __init__(self, *answers: Answer, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [*answers]
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.release = threading.Event()
        self._changed = threading.Condition()
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_address[1]}"

    def next_answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        with self._changed:
            self.requests.append((path, headers))
            self._changed.notify_all()
            return self.answers[min(len(self.requests), len(self.answers)) - 1]

    def wait_for(self, count: int) -> None:
        """Until so many requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, WAIT_S), self.requests

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no news."""

    def __enter__(self) -> Web:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.next_answer(self.path, headers)(self)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.begin(status, **{"content_length": str(len(body)), **headers})
        self.wfile.write(body)

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


Answer = Callable[[_Handler], None]


def body(content: bytes, media_type: str = "text/plain", **headers: str) -> Answer:
    """200, with a body."""
    return lambda handler: handler.say(200, content, content_type=media_type, **headers)


def status(code: int, **headers: str) -> Answer:
    """A status alone."""
    return lambda handler: handler.say(code, **headers)


def cut(content: bytes, length: int) -> Answer:
    """A body shorter than it was said to be."""

    def answer(handler: _Handler) -> None:
        handler.begin(200, content_length=str(length))
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def endless(handler: _Handler) -> None:
    """A body without length and without end."""
    handler.begin(200)
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        handler.close_connection = True


def slow(handler: _Handler) -> None:
    """The beginning of a body, and then nothing."""
    handler.begin(200, content_length="1000")
    handler.wfile.write(b"some")
    handler.server.release.wait(WAIT_S)
    handler.close_connection = True


def silent(handler: _Handler) -> None:
    """Nothing at all."""
    handler.server.release.wait(WAIT_S)
    handler.close_connection = True


def garbage(handler: _Handler) -> None:
    """What is no HTTP."""
    handler.wfile.write(b"\x00\x01\x02 no HTTP\r\n\r\n")
    handler.close_connection = True
