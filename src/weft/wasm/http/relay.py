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
import secrets
import socket
import ssl
import struct
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from weft.core.hosts import Address, HostGrant, Target, literal
from weft.core.once import Once
from weft.wasm.http.faults import HttpFault, fault_of

T = TypeVar("T")

LOOK_EVERY_S = 0.05
"""How often an exchange asks whether it is over."""

MAX_HEAD = 256 * 1024
"""Bytes of a request's head; more than wasmtime lets a guest's headers have."""

MAX_ADDRESSES = 8
"""Addresses of a host that are tried, one after the other."""

_HOST = "127.0.0.1"
_PIECE = 64 * 1024
_HEAD_S = 30.0
_SECRET_BYTES = 16
_END = b"\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)
_OWN_HEADERS = (b"host:", b"connection:")


@dataclass(eq=False, slots=True)
class Exchange:
    """A request on its way, and its response.

    Attributes:
        target: where it goes.
        authority: the same for the server, as the header ``Host`` has it.
        until: when it must be over (``time.monotonic``).
        over: asked now and then; true ends it.
        received: told how many bytes came; false ends it.
        secret: what its path begins with, on the way to the relay.
    """

    target: Target
    authority: str
    until: float
    over: Callable[[], bool]
    received: Callable[[int], bool]
    secret: str = field(default_factory=lambda: secrets.token_hex(_SECRET_BYTES), repr=False)
    ended: bool = False
    reader: StreamReader | None = None
    writer: StreamWriter | None = None

    @property
    def done(self) -> bool:
        """True when it must not go on."""
        return self.ended or monotonic() >= self.until or self.over()


class Relay:
    """The process's relay: made when a function first sends a request.

    Attributes:
        port: where it listens.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._expected: dict[str, Exchange] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="weft-http", daemon=True)
        self._thread.start()
        self.port = self._ask(self._listen()).result()

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

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._serve, _HOST, 0, limit=MAX_HEAD)
        return int(server.sockets[0].getsockname()[1])

    def _forget(self, exchange: Exchange) -> None:
        """Close the connection of an exchange whose request never came."""
        if self._expected.pop(exchange.secret, None) is not None and exchange.writer is not None:
            _break(exchange.writer)

    async def _connect(self, exchange: Exchange, grants: Sequence[HostGrant], patience: float) -> None:
        target = exchange.target
        try:
            async with asyncio.timeout(patience):
                addresses = allowed(target, await _addresses(target), grants)
                exchange.reader, exchange.writer = await _connected(target, addresses)
        except (OSError, TimeoutError) as error:
            raise fault_of(error, str(target)) from error
        if exchange.ended:  # and forgotten: nobody would take it out again
            _break(exchange.writer)
            return
        self._expected[exchange.secret] = exchange

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection of a client."""
        exchange = None
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(_END)
            exchange = self._expected.pop(_secret_of(head), None)
            if exchange is not None and await _carry(exchange, head, reader, writer):
                writer.close()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the one side or the other is gone: the rest of the bytes is for nobody
        finally:
            if not writer.is_closing():
                _break(writer)  # an end that looked like one would make half an answer a whole one
            if exchange is not None and exchange.writer is not None:
                exchange.ended = True
                _break(exchange.writer)


async def _carry(exchange: Exchange, head: bytes, reader: StreamReader, writer: StreamWriter) -> bool:
    """Pass a request and its response on. True when the server has ended it; False when anybody else has."""
    server, client = exchange.reader, exchange.writer
    assert server is not None
    assert client is not None
    client.write(rewritten(head, exchange.secret, exchange.authority))
    sent = asyncio.ensure_future(_copy(reader, client, lambda _: True))
    came = asyncio.ensure_future(_copy(server, writer, exchange.received))
    try:
        while not came.done():
            if exchange.done or (sent.done() and sent.result()):
                return False
            waits_for = {came} if sent.done() else {came, sent}
            await asyncio.wait(waits_for, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        return came.result()
    finally:
        for task in (sent, came):
            task.cancel()
            with suppress(OSError, asyncio.CancelledError):
                await task


async def _copy(reader: StreamReader, writer: StreamWriter, told: Callable[[int], bool]) -> bool:
    """Bytes from the one to the other. True at the end of what there is to read; False when they are not taken."""
    while data := await reader.read(_PIECE):
        if not told(len(data)):
            return False
        try:
            writer.write(data)
            await writer.drain()
        except OSError:
            return False
    return True


def rewritten(head: bytes, secret: str, authority: str) -> bytes:
    """A request's head as its server is to see it. Raises ValueError for one that is none."""
    line, *headers = head.removesuffix(_END).split(b"\r\n")
    method, path, version = line.split(b" ")
    path = path.removeprefix(f"/{secret}".encode())
    if not path.startswith(b"/") and path != b"*":
        path = b"/" + path
    kept = [header for header in headers if not header.lower().startswith(_OWN_HEADERS)]
    own = [b"host: " + authority.encode(), b"connection: close"]
    return b"\r\n".join([b" ".join((method, path, version)), *own, *kept]) + _END


def _secret_of(head: bytes) -> str:
    """What a request's path begins with."""
    _, path, _ = head.partition(b"\r\n")[0].split(b" ")
    return path[1 : 1 + 2 * _SECRET_BYTES].decode("latin-1")


def allowed(target: Target, addresses: Sequence[Address], grants: Sequence[HostGrant]) -> list[Address]:
    """Those of a host's addresses that a request may connect to. Raises HttpFault where there is none."""
    found = [address for address in addresses if target.reaches(address, grants)]
    if not found:
        seen = HostGrant(str(addresses[0]), _port(target))
        raise HttpFault(
            "destination-IP-prohibited",
            f"{target} is at {addresses[0]}, which is no public address",
            f"grant the address, too: grants: {{http: [{seen}]}} (--http {seen})",
        )
    return found[:MAX_ADDRESSES]


def _port(target: Target) -> int | None:
    _, colon, port = str(target).rpartition(":") if not str(target).endswith("]") else ("", "", "")
    return int(port) if colon else None


async def _addresses(target: Target) -> list[Address]:
    """Where a host is. Raises OSError."""
    if (address := literal(target.host)) is not None:
        return [address]
    found = await _looked_up(target.host, target.port)
    return [address for entry in found if (address := literal(str(entry[4][0]))) is not None]


def _looked_up(host: str, port: int) -> asyncio.Future[list[Any]]:
    """What the resolver says, asked on a thread that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def tell(found: list[Any] | OSError) -> None:
        if answer.done():
            return  # nobody waits any longer
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        try:
            found: list[Any] | OSError = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found = error
        loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=ask, name="weft-resolve", daemon=True).start()
    return answer


async def _connected(target: Target, addresses: Sequence[Address]) -> tuple[StreamReader, StreamWriter]:
    """A connection to the first address that takes one. Raises OSError."""
    secure = target.scheme == "https"
    context, name = (tls(), target.host) if secure else (None, None)
    for address in addresses[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(str(address), target.port, ssl=context, server_hostname=name)
    return await asyncio.open_connection(str(addresses[-1]), target.port, ssl=context, server_hostname=name)


def trusting() -> ssl.SSLContext:
    """How servers are known: by the certificates this machine trusts (``SSL_CERT_FILE``, ``SSL_CERT_DIR``)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


tls = Once(trusting)


def _break(writer: StreamWriter) -> None:
    """Close a connection in a way that the other side cannot take for an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def relay() -> Relay:
    """The process's relay."""
    return _relay()


def _forget() -> None:
    """After a fork the child has none of the parent's threads."""
    global _relay  # noqa: PLW0603 - there is one per process
    _relay = Once(Relay)


_relay = Once(Relay)
os.register_at_fork(after_in_child=_forget)
