"""One HTTP request on its way through the server: who asks, what came, what was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
from starlette.requests import HTTPConnection

from weft.core.clock import monotonic
from weft.core.errors import InputError, SizeError, StalledError
from weft.core.units import format_size
from weft.serve.answers import Header
from weft.serve.caller import NOBODY, Caller
from weft.serve.services import Services

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Piece = bytes | memoryview

JSON: Header = (b"content-type", b"application/json")
_KEY = "weft.call"
STALLED = "weft.stalled"
"""In the scope of a request whose body did not go on in time: how many bytes of it came."""

_ALIGNMENT = 64
_JOINED = 128 * 1024
_REST_S, _REST_BYTES = 0.5, 16 * 2**20


class ClientGoneError(Exception):
    """Nobody is there any more who wants the answer. Ends the work on a call; never told to anybody."""


class Call:
    """A request and its answer. Its ``receive`` and ``send`` keep the server's limits whoever uses them.

    Attributes:
        services: what the server has.
        scope: the request's ASGI scope.
        method: ``GET`` …
        path: decoded, without the query.
        caller: who asks; set before any face sees the call.
        began: monotonic seconds when its headers were there.
        ended: monotonic seconds when the answer was handed over; 0 until then.
        status: of the answer; 0 until it begins, 499 where the client went away before.
        taken: bytes of the body that came.
        given: bytes of the answer's body.
        route: which kind of request it was, for metrics: ``infer``, ``metadata`` …; few values, never the client's.
        subject: the model or function it was about, where there is such a one.
        added: headers that go with the answer, whoever gives it.
    """

    __slots__ = (
        "_complete",
        "_headers",
        "_held",
        "_receive",
        "_send",
        "added",
        "began",
        "caller",
        "ended",
        "given",
        "method",
        "path",
        "route",
        "scope",
        "services",
        "status",
        "subject",
        "taken",
    )

    def __init__(self, services: Services, scope: Scope, receive: Receive, send: Send) -> None:
        self.services = services
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.caller: Caller = NOBODY
        self.began = monotonic()
        self.ended = 0.0
        self.status = self.taken = self.given = 0
        self.route = self.subject = ""
        self.added: Sequence[Header] = ()
        self._receive = receive
        self._send = send
        self._complete = False
        self._held = 0
        self._headers: Mapping[str, str] | None = None
        scope[_KEY] = self

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, names in lower case; of one given twice, the values joined by commas."""
        if self._headers is None:
            found: dict[str, str] = {}
            for name, value in self.scope["headers"]:
                key, text = name.decode("latin-1"), value.decode("latin-1")
                found[key] = f"{found[key]}, {text}" if key in found else text
            self._headers = found
        return self._headers

    @property
    def peer(self) -> str:
        """The client's address, without its port."""
        client = self.scope.get("client")
        return client[0] if client else ""

    async def let_in(self) -> None:
        """Find out who asks. Raises IdentityError, DeniedError and RateLimitError."""
        access = self.services.access
        self.caller = await access.identify(self.headers, self.peer, self.path)
        access.admit(self.caller)

    # --- the request's body --------------------------------------------------------------

    def check_length(self) -> None:
        """SizeError at once where the headers announce more than is taken; InputError for a length that is none."""
        text = self.headers.get("content-length")
        if text is None:
            return
        if not text.isdecimal():
            raise InputError(f"Content-Length: {text[:40]} is no number", cure="send the body's length in bytes")
        self._check_size(int(text))

    def _check_size(self, size: int) -> None:
        most = self.services.settings.max_body
        if size > most:
            self.services.counts["body_too_large"] += 1
            raise SizeError(f"the body has {format_size(size)}, and {format_size(most)} are taken", cure="send less")

    async def receive(self) -> Message:
        """The next piece of the body, or that the client went away.

        Raises SizeError, StalledError (nothing came for too long) and BusyError (no room for more bodies).
        """
        message = await self._receive()
        if self._complete:
            return message
        if message["type"] != "http.request":
            if STALLED in self.scope:
                raise StalledError(stalled(self.scope[STALLED]))
            return message
        size = len(message.get("body", b""))
        self.taken += size
        self._complete = not message.get("more_body", False)
        self._check_size(self.taken)
        self.hold(size)
        return message

    def hold(self, size: int) -> None:
        """Count some bytes made of the body, until the call has ended. BusyError where there is no room for them."""
        self.services.room.take(size)
        self._held += size

    async def body(self, *, aligned_at: int = 0) -> memoryview:
        """The whole body. Raises as :meth:`receive`, and ClientGoneError.

        A body that came in pieces is laid so that what stands at ``aligned_at`` begins at a multiple of 64 bytes.
        """
        pieces: list[bytes] = []
        while not self._complete:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            pieces.append(message.get("body", b""))
        if len(pieces) == 1:
            return memoryview(pieces[0])
        return _laid(pieces, sum(map(len, pieces)), aligned_at)

    async def until_gone(self) -> None:
        """Returns once the client went away. To be called when the body is there, and cancelled with the answer."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def let_go(self) -> None:
        """The body's bytes are not needed any more. The server calls it when the call has ended."""
        self.services.room.give_back(self._held)
        self._held = 0

    # --- the answer ----------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Pass on a piece of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.added:
                message = {**message, "headers": [*message.get("headers", ()), *self.added]}
            if not self._complete:  # what is left of the body is not read: the connection ends with this answer
                message = {**message, "headers": [*message.get("headers", ()), *await self._farewell()]}
        else:
            self.given += len(message.get("body", b""))
        await self._send(message)

    async def _farewell(self) -> Sequence[Header]:
        """How a refused request ends: with the rest of its body where that is short, or with its connection."""
        if "content-length" not in self.headers and "transfer-encoding" not in self.headers:
            return ()
        if "expect" not in self.headers:  # else nothing comes before our word
            with suppress(TimeoutError):
                async with asyncio.timeout(_REST_S):
                    await self._discard()
        return () if self._complete else ((b"connection", b"close"),)

    async def _discard(self) -> None:
        """Read on and throw away: most clients only look for an answer when they have sent all."""
        seen = 0
        while not self._complete and seen < _REST_BYTES:
            message = await self._receive()
            if message["type"] != "http.request":
                return
            seen += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)

    async def answer(self, status: int, pieces: Sequence[Piece], headers: Sequence[Header]) -> None:
        """The whole answer: its status, its body in pieces, its headers but for the length."""
        size = sum(map(len, pieces))
        lengths = [(b"content-length", str(size).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *lengths]})
        if size <= _JOINED or self.method == "HEAD":
            await self.send({"type": "http.response.body", "body": b"".join(pieces)})
            return
        for piece in pieces:
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b""})

    async def json(self, document: object, status: int = 200, headers: Sequence[Header] = ()) -> None:
        """A document as the whole answer."""
        await self.answer(status, [msgspec.json.encode(document)], [JSON, *headers])

    async def error(self, status: int, text: str, headers: Sequence[Header] = ()) -> None:
        """``{"error": text}`` as the whole answer."""
        await self.json({"error": text}, status, headers)


def stalled(size: int) -> str:
    """What is told of a body that did not go on."""
    return f"the body stopped after {format_size(size)}"


def call_of(connection: HTTPConnection) -> Call:
    """The call behind Starlette's request."""
    call = connection.scope[_KEY]
    assert isinstance(call, Call)
    return call


def _laid(pieces: Sequence[bytes], size: int, aligned_at: int) -> memoryview:
    room = np.empty(size + 2 * _ALIGNMENT, np.uint8)
    start = -(room.ctypes.data + aligned_at) % _ALIGNMENT
    view = room.data[start : start + size]
    at = 0
    for piece in pieces:
        view[at : at + len(piece)] = piece
        at += len(piece)
    return view
