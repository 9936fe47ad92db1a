"""httpx on sockets that are read in large pieces: a blob costs half the processor time that pieces of 64 KiB take."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from weft.artifacts.digest import PIECE

LARGE = 4 << 20
"""Bytes of a body that are worth a connection of their own."""

_FAULTS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}


class PlainTransport(httpx.AsyncBaseTransport):
    """Speaks HTTP without TLS, to the server itself."""

    def __init__(self) -> None:
        # The context trusts nobody: https has another transport.
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._pool = httpcore.AsyncConnectionPool(trusted, max_connections=16, network_backend=_Backend())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises httpx.TransportError."""
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        sent = httpcore.Request(
            request.method,
            target,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _mapped():
            response = await self._pool.handle_async_request(sent)
        read_s = request.extensions.get("timeout", {}).get("read")
        body = _Body(response, read_s)
        return httpx.Response(response.status, headers=response.headers, stream=body, extensions=response.extensions)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """The bytes of an answer: a large one, once it has begun, straight from the socket."""

    def __init__(self, response: httpcore.Response, read_s: float | None) -> None:
        self._response, self._read_s = response, read_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _mapped():
            left = _length(self._response)
            async for piece in self._response.aiter_stream():
                yield piece
                left -= len(piece)
                if left >= LARGE:  # the parser has handed on all that it had, and would only copy the rest
                    async for rest in self._straight(left):
                        yield rest
                    return

    async def _straight(self, left: int) -> AsyncIterator[bytes]:
        """The rest. The parser misses it, and so the connection is not used again."""
        stream = self._response.extensions["network_stream"]
        assert isinstance(stream, _Stream)
        while left:
            piece = (await stream.read(left, self._read_s))[:left]
            if not piece:
                raise httpcore.RemoteProtocolError("it ended before its end")
            left -= len(piece)
            yield piece

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        await self._response.aclose()


def _length(response: httpcore.Response) -> int:
    """Bytes of a body whose length is told; 0 for others."""
    headers = {name.lower(): value for name, value in response.headers}
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() and b"transfer-encoding" not in headers else 0


@contextmanager
def _mapped() -> Iterator[None]:
    """Faults of the layer below become those of httpx."""
    try:
        yield
    except tuple(_FAULTS) as error:
        raise next(_FAULTS[kind] for kind in type(error).__mro__ if kind in _FAULTS)(str(error)) from error


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects by TCP, with asyncio's own sockets."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection. Raises httpcore.ConnectError and ConnectTimeout."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                return _Stream(await _connected(loop, host, port))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


async def _connected(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """A socket to the first of a host's addresses that takes one."""
    last: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            last = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise last


class _Stream(httpcore.AsyncNetworkStream):
    """A connection. What it reads is as much as is there."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._room = memoryview(bytearray(PIECE))

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As many bytes as are there, at most ``PIECE``; b"" at the end.

        Raises httpcore's ReadTimeout after ``timeout`` seconds, and ReadError.
        """
        try:
            async with asyncio.timeout(timeout):
                count = await self._loop.sock_recv_into(self._socket, self._room)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        return bytes(self._room[:count])

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes. Raises httpcore's WriteTimeout after ``timeout`` seconds, and WriteError."""
        try:
            async with asyncio.timeout(timeout):
                await self._loop.sock_sendall(self._socket, buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """Close the socket."""
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """The ``socket``, or whether it ``is_readable`` at this moment; None for anything else."""
        if info == "socket":
            return self._socket
        if info == "is_readable":  # an idle connection that has something to read has ended
            waiting = select.poll()
            waiting.register(self._socket, select.POLLIN)
            return bool(waiting.poll(0))
        return None
