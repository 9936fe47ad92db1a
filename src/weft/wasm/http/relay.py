"""The relay: what stands between an HTTP client and the network.

wasmtime's client connects by itself, wherever a request says. So a request is turned to a port of this machine where
the relay listens, with a secret in front of its path, and the relay passes the bytes on over a connection that it has
made before: to an address that was looked at, with the certificate checked, for as long and as much as the function
may.
One thread serves all functions of the process.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from weft.core.hosts import HostGrant
from weft.core.once import Once
from weft.wasm.http.carry import END, break_off, carry, secret_of
from weft.wasm.http.dial import dialled
from weft.wasm.http.exchange import LOOK_EVERY_S, Exchange
from weft.wasm.http.faults import HttpFault

T = TypeVar("T")

MAX_HEAD = 256 * 1024
"""Bytes of a request's head; more than wasmtime lets a guest's headers have."""

_HOST = "127.0.0.1"
_HEAD_S = 30.0


class Relay:
    """The process's relay: made when a function first sends a request.

    Attributes:
        port: where it listens.
    """

    def __init__(self) -> None:
        """Raises HttpFault, with nothing left behind, where this machine has no room for it."""
        self._expected: dict[str, Exchange] = {}
        listener, self._loop = _listener_and_loop()
        self.port = int(listener.getsockname()[1])
        self._thread = threading.Thread(target=self._loop.run_forever, name="weft-http", daemon=True)
        self._thread.start()
        self._ask(asyncio.start_server(self._serve, sock=listener, limit=MAX_HEAD)).result()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return _HOST, self.port

    @property
    def authority(self) -> str:
        """The same as text."""
        return f"{_HOST}:{self.port}"

    def connect(self, exchange: Exchange, grants: Sequence[HostGrant], patience: float) -> None:
        """Connect to where an exchange goes, and expect its request. Raises HttpFault; ends early when it is over."""
        asked = self._ask(self._connect(exchange, grants, patience))
        while not asked.done():
            with suppress(TimeoutError):
                asked.exception(LOOK_EVERY_S)
            if exchange.done and not asked.done():
                asked.cancel()
                self.end(exchange)
                raise HttpFault("connection-timeout", f"{exchange.target}: the function's time is over")
        asked.result()

    def end(self, exchange: Exchange) -> None:
        """The guest has no use for it any more; any thread may say so."""
        exchange.ended = True
        self._loop.call_soon_threadsafe(self._forget, exchange)

    # --- its thread ----------------------------------------------------------------------

    def _ask(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _forget(self, exchange: Exchange) -> None:
        """Close the connection of an exchange whose request never came."""
        if self._expected.pop(exchange.secret, None) is not None and exchange.writer is not None:
            break_off(exchange.writer)

    async def _connect(self, exchange: Exchange, grants: Sequence[HostGrant], patience: float) -> None:
        exchange.reader, exchange.writer = await dialled(exchange.target, grants, patience)
        if exchange.ended:  # and forgotten: nobody would take it out again
            break_off(exchange.writer)
            return
        self._expected[exchange.secret] = exchange

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection of a client."""
        exchange = None
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(END)
            exchange = self._expected.pop(secret_of(head), None)
            if exchange is not None and await carry(exchange, head, reader, writer):
                writer.close()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the one side or the other is gone: the rest of the bytes is for nobody
        finally:
            if not writer.is_closing():
                break_off(writer)  # an end that looked like one would make half an answer a whole one
            if exchange is not None and exchange.writer is not None:
                exchange.ended = True
                break_off(exchange.writer)


def _listener_and_loop() -> tuple[socket.socket, asyncio.AbstractEventLoop]:
    """A port that listens, and a loop to serve it. Raises HttpFault."""
    try:
        listener = socket.create_server((_HOST, 0))
        try:
            return listener, asyncio.new_event_loop()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        what = f"this machine has no room for requests: {error.strerror}"
        raise HttpFault("connection-limit-reached", what, "allow more open files (ulimit -n)") from error


def relay() -> Relay:
    """The process's relay. Raises HttpFault where there can be none."""
    return _relay()


def _forget() -> None:
    """After a fork the child has none of the parent's threads."""
    global _relay  # noqa: PLW0603 - there is one per process
    _relay = Once(Relay)


_relay = Once(Relay)
os.register_at_fork(after_in_child=_forget)
