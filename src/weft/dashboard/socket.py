"""A page's WebSocket: pictures and notes go out as fast as the page draws them, and what it says comes in."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from weft.core.errors import InputError, MediaError
from weft.dashboard.shown import head
from weft.dashboard.view import View
from weft.dashboard.viewer import Picture, Viewer
from weft.dashboard.wire import Reader

TOO_MANY = 1013
"""The code a socket is closed with when there are too many pages: try again later."""

NO_SENSE = 1008
"""The code for a page that breaks the rules."""


async def serve(socket: WebSocket, view: View) -> None:
    """Serve one page until it goes."""
    await socket.accept()
    viewer = view.join()
    if viewer is None:
        await socket.close(TOO_MANY, "too many pages are open")
        return
    sending = asyncio.create_task(_send(socket, view, viewer))
    try:
        await _listen(socket, viewer)
    finally:
        view.leave(viewer)
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


async def _listen(socket: WebSocket, viewer: Viewer) -> None:
    reader = Reader(viewer)
    try:
        while True:
            reader.take(await socket.receive_text())
    except WebSocketDisconnect:
        return
    except (InputError, KeyError):  # KeyError: it sent bytes
        with suppress(RuntimeError):  # it has closed it meanwhile
            await socket.close(NO_SENSE, "no message of a page")


async def _send(socket: WebSocket, view: View, viewer: Viewer) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # it is gone; who listens notices
        while True:
            one = await viewer.next()
            if isinstance(one, str):
                await socket.send_text(one)
            else:
                await _send_picture(socket, view, viewer, one)


async def _send_picture(socket: WebSocket, view: View, viewer: Viewer, picture: Picture) -> None:
    try:
        body = await picture.shot.body()
    except MediaError as error:
        view.spoilt(picture.shot, error)
        viewer.drawn(picture.shot.frame.stream, picture.number)
        return
    await socket.send_bytes(head(picture.shot, picture.number, picture.dropped) + body)
