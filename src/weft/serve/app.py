"""The HTTP application: faces, each a set of routes over the same services, behind one door.

Every request takes the same way: its length is checked, its caller let in, a face answers it, its errors become
answers, and the observers are told. A face does none of that itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import getfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Router

from weft.core.clock import monotonic
from weft.core.errors import WeftError
from weft.serve.answers import headers_of, status_of, told
from weft.serve.call import Call, ClientGoneError, Receive, Scope, Send
from weft.serve.cors import Cors
from weft.serve.services import Services

if TYPE_CHECKING:
    from weft.flow.metric import Sample

log = logging.getLogger("weft.serve")

Endpoint = Callable[[Call], Awaitable[None]]
GONE = 499


class Face:
    """One protocol or set of pages of a server. Subclasses override what they need.

    Attributes:
        name: what it is called in logs.
        front: the beginnings of paths that ``find`` knows, such as ``/v2/``; empty where it finds nothing itself.
        target: where it listens besides, as ``grpc://127.0.0.1:8001``, once it has started.
    """

    name = ""
    front = ""
    target = ""

    def routes(self, services: Services) -> Sequence[BaseRoute]:
        """Starlette routes. ``call_of(request)`` gives their endpoints the call."""
        return ()

    def find(self, services: Services, method: str, path: str) -> Endpoint | None:
        """The endpoint of a request whose path begins with ``front``; asked before all routes, for those in a hurry."""
        return None

    def openapi(self) -> Mapping[str, Any]:
        """Its part of the OpenAPI document, ``paths`` and ``components``: ``openapi.json`` beside its class."""
        file = Path(getfile(type(self))).with_name("openapi.json")
        found: dict[str, Any] = msgspec.json.decode(file.read_bytes()) if file.exists() else {}
        return found

    def metrics(self, services: Services) -> Iterable[Sample]:
        """What ``/metrics`` tells of it, as it is now."""
        return ()

    async def start(self, services: Services) -> None:
        """Open what is not HTTP, such as a port for gRPC. Raises UnavailableError."""

    async def stop(self, services: Services, drain_s: float) -> None:
        """Take nothing more, and finish within ``drain_s`` what was taken."""


class App:
    """The ASGI application of a server."""

    def __init__(self, services: Services, faces: Sequence[Face]) -> None:
        self.services = services
        self.faces = tuple(faces)
        self._found = [face for face in faces if face.front]
        routes = [route for face in faces for route in face.routes(services)]
        self._router = Router(routes, redirect_slashes=False)
        self._cors = Cors(services.settings.cors_origins) if services.settings.cors_origins else None
        self._calls = 0

    @property
    def calls(self) -> int:
        """HTTP requests that are being answered."""
        return self._calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        call = Call(self.services, scope, receive, send)
        self._calls += 1
        try:
            await self._answer(call)
        finally:
            self._calls -= 1
            call.let_go()
            self._tell(call)

    async def _answer(self, call: Call) -> None:
        try:
            call.check_length()
            if self._cors is not None and await self._cors.answered(call):
                return
            await call.let_in()
            await self._pass_on(call)
        except ClientGoneError:
            self._gone(call)
        except WeftError as error:
            await self._refuse(call, status_of(error), told(error), headers_of(error))
        except HTTPException as error:
            given = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
            await self._refuse(call, error.status_code, _about(call, error), given)
        except asyncio.CancelledError:  # the server's end has come before this call's
            if not call.status:
                await call.error(503, "the server has stopped", [(b"retry-after", b"1"), (b"connection", b"close")])
            raise
        except Exception:  # a defect of a face, and no reason to tell a client how we are made
            log.exception("%s %s failed", call.method, call.path)
            await self._refuse(call, 500, "the server failed; its log says why", ())

    async def _pass_on(self, call: Call) -> None:
        for face in self._found:
            if call.path.startswith(face.front) and (endpoint := face.find(self.services, call.method, call.path)):
                await endpoint(call)
                return
        call.scope["app"] = self  # makes Starlette raise what it would answer in plain text
        await self._router(call.scope, call.receive, call.send)

    async def _refuse(self, call: Call, status: int, text: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
        if call.status:  # the answer has begun: all that is left is to end it so that the client sees it
            log.warning("%s %s ended early: %s", call.method, call.path, text)
            raise ConnectionAbortedError(text)
        try:
            await call.error(status, text, headers)
        except ClientGoneError:
            self._gone(call)

    def _gone(self, call: Call) -> None:
        call.status = call.status or GONE
        self.services.counts["client_gone"] += 1

    def _tell(self, call: Call) -> None:
        call.ended = monotonic()
        for observer in self.services.observers:
            observer(call)


def _about(call: Call, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"there is nothing at {call.path} (/docs shows what can be asked)"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return f"{call.method} is not for {call.path}{f' (it takes {allowed})' if allowed else ''}"
    return str(error.detail)
