"""HTTP connections with limits on what uvicorn leaves open: how many, how long headers take, how large they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from weft.serve.call import STALLED, stalled
from weft.serve.services import Services


@dataclass(slots=True)
class _Body:
    """A body that is on its way: when it began and went on, in the loop's time, and how much of it came."""

    began: float = 0.0
    last: float = 0.0
    size: int = 0
    timer: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """It is whole, or never will be."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class LimitedProtocol(HttpToolsProtocol):
    """One connection. Every refusal is counted in ``Services.counts``."""

    def __init__(
        self,
        services: Services,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._services = services
        self._limits = services.settings
        self._timer: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._header_bytes = 0
        self._body = _Body()
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; one too many is told so."""
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > self._limits.max_connections:
            self._refuse(503, "connections_refused", "the server has as many connections as it takes")
        else:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._headers_came()
        self._body.end()
        self._was_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes; those of headers are counted."""
        if self.transport.is_closing():  # refused, and still sending
            return
        self._header_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_headers and not self._between_requests:
            self._watch_body(len(data))
            return
        if self._header_bytes > self._limits.max_header:
            self._refuse(431, "headers_too_large", "the headers are too large")
        elif self._timer is None:
            self._wait_for_headers()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are there."""
        self._in_headers = False
        self._header_bytes = 0
        self._headers_came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is there."""
        self._body.end()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client leaves an answer unread."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.write_timeout_s, self._never_read)

    def resume_writing(self) -> None:
        """It reads again."""
        self._was_read()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._refuse(400, "bad_http", "this is no HTTP request")

    @property
    def _between_requests(self) -> bool:
        """Whether what came are line ends before a request: they end the connection's idle time, so they begin one."""
        return self.cycle is not None and self.cycle.response_complete

    def _wait_for_headers(self) -> None:
        self._timer = self.loop.call_later(self._limits.header_timeout_s, self._headers_late)

    def _headers_came(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _headers_late(self) -> None:
        self._timer = None
        self._refuse(408, "headers_late", "the headers took too long")

    def _watch_body(self, size: int) -> None:
        """A body has begun and is not whole yet."""
        if self.cycle is None or not self.cycle.more_body or self.cycle.response_complete:
            return
        body, now = self._body, self.loop.time()
        body.last, body.size = now, body.size + size
        if body.timer is None:
            body.began, body.size = now, len(self.cycle.body)
            body.timer = self.loop.call_later(self._limits.silence_timeout_s, self._look_at_body)

    def _look_at_body(self) -> None:
        """Whether the body went on; while nobody reads it here, that is not the client's fault."""
        body, now, limits = self._body, self.loop.time(), self._limits
        if self.flow.read_paused:
            body.last = now
        end = min(body.last + limits.silence_timeout_s, body.began + limits.body_timeout_s)
        if now < end:
            body.timer = self.loop.call_at(end, self._look_at_body)
            return
        self.scope[STALLED] = body.size  # type: ignore[literal-required]  # for the call, which learns that nobody is there
        self._refuse(408, "body_stalled", stalled(body.size))

    def _never_read(self) -> None:
        self._unread = None
        self._services.counts["answer_unread"] += 1
        self.transport.abort()

    def _was_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _refuse(self, status: int, counter: str, text: str) -> None:
        self._services.counts[counter] += 1
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # in the middle of another answer: nothing can be said any more
            return
        body = msgspec.json.encode({"error": text})
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\nconnection: close\r\n",
            b"retry-after: 1\r\n" if status == 503 else b"",
            b"content-length: %d\r\n\r\n" % len(body),
        ]
        self.transport.write(b"".join([*head, body]))
        self.transport.close()
