"""``ModelStreamInfer``: requests and answers on one stream, the answers in the order of the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from weft.core.errors import UnavailableError, WeftError
from weft.serve.call import Call
from weft.serve.grpc.answered import streamed
from weft.serve.grpc.door import Context, Door, parsed, refuse
from weft.serve.grpc.proto import message
from weft.serve.grpc.rpcs import REQUEST, Rpcs
from weft.serve.grpc.status import text_of

_PATH = "/inference.GRPCInferenceService/ModelStreamInfer"
_AHEAD = 32
"""Requests of one stream that are worked on, or whose answer waits for those before. The next one is not read."""


class Streams:
    """The streams that are open. For the event loop's thread only."""

    def __init__(self, door: Door, rpcs: Rpcs) -> None:
        self._door = door
        self._rpcs = rpcs
        self._open: set[_Stream] = set()
        self._stopping = False

    async def handle(self, messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answer a stream until its client ends it, or the server."""
        if self._stopping:
            await refuse(context, _ended())
        stream = _Stream(self, messages, context)
        self._open.add(stream)
        try:
            async for answer in stream.answers():
                yield answer
            if self._stopping:
                await refuse(context, _ended())
        finally:
            self._open.discard(stream)
            stream.let_go()

    def stop(self) -> None:
        """Read no more requests: streams end once what they took is answered."""
        self._stopping = True
        for stream in self._open:
            stream.read_no_more()

    async def answer(self, data: bytes, context: Context) -> bytes:
        """The answer to one request of a stream: an error is told in it, and the stream goes on."""
        given: list[Any] = []

        async def work(call: Call, data: bytes, left_s: float | None) -> bytes:
            given.append(parsed(REQUEST, data))
            return streamed(await self._rpcs.inferred(call, given[0], left_s, final=True))

        try:
            return await self._door.answer(self._door.call(_PATH, context), work, data, context.time_remaining())
        except WeftError as error:
            return _failed(given[0] if given else None, error)


class _Stream:
    """One stream: a task reads, others work, and ``answers`` waits for them in turn."""

    def __init__(self, streams: Streams, messages: AsyncIterator[bytes], context: Context) -> None:
        self._streams = streams
        self._messages = messages
        self._context = context
        self._room = asyncio.Semaphore(_AHEAD)
        self._works: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[bytes]] = set()
        self._reading = asyncio.ensure_future(self._read())

    async def answers(self) -> AsyncIterator[bytes]:
        """The answers, encoded, in the order of their requests; they end with the requests."""
        while (work := await self._works.get()) is not None:
            yield await work
            self._tasks.discard(work)
            self._room.release()

    def read_no_more(self) -> None:
        """Take no more requests; what was taken is answered."""
        self._reading.cancel()

    def let_go(self) -> None:
        """Nobody waits for the rest: what has not begun never begins."""
        self._reading.cancel()
        for task in self._tasks:
            task.cancel()

    async def _read(self) -> None:
        try:
            while True:
                await self._room.acquire()
                data = await anext(self._messages, None)
                if data is None:
                    return
                task = asyncio.ensure_future(self._streams.answer(data, self._context))
                self._tasks.add(task)
                self._works.put_nowait(task)
        finally:
            self._works.put_nowait(None)


def _ended() -> UnavailableError:
    return UnavailableError("the server is stopping", cure="open a stream to another one")


def _failed(asked: Any, error: WeftError) -> bytes:
    made = message("inference.ModelInferResponse")()
    if asked is not None:
        made.model_name, made.model_version, made.id = asked.model_name, asked.model_version, asked.id
    made.parameters["triton_final_response"].bool_param = True
    return streamed([made.SerializeToString()], text_of(error))
