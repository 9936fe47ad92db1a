"""A real server before the registry that does what registries and networks do at their worst."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered in place of the registry, or what becomes of its answer.

    Attributes:
        status: answered at once, with ``headers`` and ``body``; 0 asks the registry.
        cut: the body ends after so many bytes, with the connection.
        change: what becomes of the body.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    change: Callable[[bytes], bytes] | None = None


Rule = Callable[[Asked], Answer | None]


class Front:
    """Passes requests on to ``upstream`` (host and port), or does what its ``rule`` says."""

    def __init__(self, upstream: str, rule: Rule) -> None:
        self.upstream, self.rule = upstream, rule
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def of(self, method: str, part: str = "") -> list[Asked]:
        """The requests of a method whose path has a part."""
        return [asked for asked in self.asked if asked.method == method and part in asked.path]

    def serve(self) -> None:
        """Until it is closed."""
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

            def handle_one_request(self) -> None:
                with suppress(ConnectionError):
                    super().handle_one_request()

            def answer(self) -> None:
                front.answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = Asked(handler.command, handler.path, dict(handler.headers))
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        self.asked.append(asked)
        answer = self.rule(asked) or Answer()
        if answer.status:
            self._send(handler, answer.status, answer.headers, answer.body, answer.cut)
            return
        upstream = http.client.HTTPConnection(self.upstream)
        upstream.request(asked.method, asked.path, body or None, dict(asked.headers))
        response = upstream.getresponse()
        data, headers = response.read(), dict(response.getheaders())
        upstream.close()
        if answer.change is not None:
            data = answer.change(data)
            headers["Content-Length"] = str(len(data))
        self._send(handler, response.status, {**headers, **answer.headers}, data, answer.cut)

    @staticmethod
    def _send(
        handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes, cut: int | None
    ) -> None:
        handler.send_response_only(status)
        sent = {"Content-Length": str(len(body)), **headers}
        for name, value in sent.items():
            if value and name.lower() not in ("transfer-encoding", "connection"):
                handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            handler.close_connection = True


@contextmanager
def front(upstream: str, rule: Rule) -> Iterator[Front]:
    """A front for the block."""
    made = Front(upstream, rule)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join()


def times(count: int, rule: Rule) -> Rule:
    """A rule for the first ``count`` requests that it is for."""
    left = [count]

    def limited(asked: Asked) -> Answer | None:
        answer = rule(asked)
        if answer is None or not left[0]:
            return None
        left[0] -= 1
        return answer

    return limited


def blobs(answer: Answer, method: str = "GET") -> Rule:
    """A rule for blobs."""
    return lambda asked: answer if asked.method == method and "/blobs/sha256:" in asked.path else None
