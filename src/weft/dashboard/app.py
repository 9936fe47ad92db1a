"""The application behind ``weft view``: a page, its files, and a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from weft.dashboard.files import Files
from weft.dashboard.guard import Guard
from weft.dashboard.server import PageServer
from weft.dashboard.socket import serve
from weft.dashboard.view import View

PAGE = "view.html"
ASSETS = "/assets/"


def serve_view(view: View, address: str) -> PageServer:
    """A server for a view. Raises UsageError, UnavailableError."""
    return PageServer(lambda token, port: Guard(view_app(view), token=token, port=port, free=ASSETS), address)


def view_app(view: View) -> ASGIApp:
    """The application, without its guard."""
    files = Files()

    async def page(request: Request) -> Response:
        return files.answer(PAGE, request)

    async def asset(request: Request) -> Response:
        return files.answer(request.path_params["name"], request)

    async def session(_: Request) -> Response:
        """Says whether the browser may see the page: who may not does not come here."""
        return Response(status_code=204, headers={"cache-control": "no-store"})

    async def socket(websocket: WebSocket) -> None:
        await serve(websocket, view)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(view.run())
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    routes = [
        Route("/", page),
        Route("/session", session),
        Route(ASSETS + "{name}", asset),
        WebSocketRoute("/socket", socket),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
