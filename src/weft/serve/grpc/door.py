"""What every gRPC request goes through: who asks, room for its bytes, its errors, and who is told of its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import unquote

import grpc

from weft.core.clock import monotonic
from weft.core.errors import InputError, WeftError
from weft.serve.answers import status_of
from weft.serve.app import GONE
from weft.serve.call import Call, Message
from weft.serve.grpc.proto import message
from weft.serve.grpc.status import code_of, metadata_of, text_of
from weft.serve.services import Services

log = logging.getLogger("weft.serve")

Context = Any
"""grpc.aio.ServicerContext; the package has no types."""

Work = Callable[[Call, bytes, float | None], Awaitable[bytes]]
"""Answers a request: the call, its message, and how many seconds its deadline leaves. Gives the answer's message."""


class Door:
    """Lets requests in. For the event loop's thread only."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def unary(self, path: str, work: Work) -> Any:
        """The handler of a method that takes one message and gives one."""
        return grpc.unary_unary_rpc_method_handler(partial(self._unary, path, work))

    async def _unary(self, path: str, work: Work, data: bytes, context: Context) -> bytes:
        try:
            return await self.answer(self.call(path, context), work, data, context.time_remaining())
        except WeftError as error:
            await refuse(context, error)
            raise  # it has raised

    def call(self, path: str, context: Context) -> Call:
        """A request as the server knows it: gRPC is HTTP/2, a method a path, and metadata are headers."""
        scope = {
            "type": "http",
            "http_version": "2",
            "method": "POST",
            "path": path,
            "headers": [
                (name.encode(), value.encode())
                for name, value in context.invocation_metadata() or ()
                if isinstance(value, str)
            ],
            "client": (address_of(context.peer()), 0),
        }
        return Call(self.services, scope, _nothing, _no_answer)

    async def answer(self, call: Call, work: Work, data: bytes, left_s: float | None) -> bytes:
        """What ``work`` makes of a message. Raises nothing but WeftError and CancelledError."""
        with self._told(call, len(data)):
            await call.let_in()
            answer = await work(call, data, left_s)
            call.given = len(answer)
            return answer

    @contextmanager
    def _told(self, call: Call, size: int) -> Iterator[None]:
        held = 0
        call.taken = size
        try:
            self.services.room.take(size)
            held = size
            yield
            call.status = 200
        except asyncio.CancelledError:
            stopping = self.services.stopping  # a call that is still at work is ended after drain_s
            call.status = 503 if stopping else GONE
            self.services.counts["cut_off" if stopping else "client_gone"] += 1
            raise
        except WeftError as error:
            call.status = status_of(error)
            raise
        except Exception as error:  # a defect, and no reason to tell a client how we are made
            log.exception("%s failed", call.path)
            call.status = 500
            raise WeftError("the server failed; its log says why") from error
        finally:
            self.services.room.give_back(held)
            call.ended = monotonic()
            for observer in self.services.observers:
                observer(call)


async def refuse(context: Context, error: WeftError) -> None:
    """End a request with an error; raises what gRPC ends its handlers with."""
    await context.abort(code_of(error), text_of(error), metadata_of(error))


def parsed(name: str, data: bytes) -> Any:
    """A message from its bytes. Raises InputError."""
    from google.protobuf.message import DecodeError

    try:
        return message(name).FromString(data)
    except DecodeError as error:
        what = f"these {len(data)} bytes are no {name}"
        raise InputError(what, cure="send the message that this method takes") from error


def address_of(peer: str) -> str:
    """The address in what gRPC calls a peer: ``ipv4:127.0.0.1:5000``, ``ipv6:%5B::1%5D:5000``."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _no_answer(message: Message) -> None:
    raise AssertionError("gRPC answers with messages")
