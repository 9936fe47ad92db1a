"""Server-sent events: each frame a function emits, as it is emitted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from weft.core.emitting import Take
from weft.core.errors import WeftError
from weft.core.frame import Frame
from weft.serve.answers import told
from weft.serve.call import Call
from weft.serve.functions.headers import plain

END, FAILED = "weft:end", "weft:error"
"""The last event: how many frames there were, or why there are no more. No stream can be called so."""

_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
_TEXT = ("text/", "application/json")

Work = Callable[[Take], Awaitable[Sequence[Frame]]]


class _Stream:
    """The answer of one request, which begins with the first frame."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._count = 0

    async def frame(self, frame: Frame) -> None:
        """Pass a frame on."""
        await self._send(event(frame.stream, frame, self._count))
        self._count += 1

    async def end(self) -> None:
        """All is told."""
        await self._send(_told(END, {"frames": self._count}), more=False)

    async def fail(self, error: WeftError) -> None:
        """It failed; before the first frame that is an answer like any other: raises the error."""
        if not self._call.status:
            raise error
        await self._send(_told(FAILED, {"error": told(error)}), more=False)

    async def _send(self, data: bytes, *, more: bool = True) -> None:
        if not self._call.status:
            await self._call.send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._call.send({"type": "http.response.body", "body": data, "more_body": more})


async def stream(call: Call, work: Work, shown: Callable[[WeftError], WeftError]) -> None:
    """Answer with what ``work`` emits as it does, and at the end with what it only returns."""
    loop, frames = asyncio.get_running_loop(), asyncio.Queue[Frame | None]()
    answer = _Stream(call)
    task = asyncio.ensure_future(work(lambda frame: _pass_on(loop, frames, frame)))
    task.add_done_callback(lambda _: frames.put_nowait(None))
    sent: list[Frame] = []
    try:
        while (frame := await frames.get()) is not None:
            sent.append(frame)
            await answer.frame(frame)
        known = {id(frame) for frame in sent}
        for frame in await task:
            if id(frame) not in known:
                await answer.frame(frame)
        await answer.end()
    except WeftError as error:
        await answer.fail(shown(error))
    finally:
        task.cancel()


def _pass_on(loop: asyncio.AbstractEventLoop, frames: asyncio.Queue[Frame | None], frame: Frame) -> None:
    try:
        loop.call_soon_threadsafe(frames.put_nowait, frame)
    except RuntimeError:  # the loop has ended, and nobody waits
        return


def event(name: str, frame: Frame, number: int) -> bytes:
    """A frame as an event: text and JSON as they are, all else as a ``data:`` URL."""
    lines = [f"event: {plain(name)}"] if name else []
    lines.append(f"id: {number}")
    return "\n".join([*lines, *(f"data: {line}" for line in _lines(frame)), "", ""]).encode()


def _lines(frame: Frame) -> list[str]:
    if frame.media_type.startswith(_TEXT):
        try:
            return frame.payload.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
        except UnicodeDecodeError:
            pass
    return [f"data:{plain(frame.media_type)};base64,{base64.b64encode(frame.payload).decode()}"]


def _told(name: str, document: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(document))
