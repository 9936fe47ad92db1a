"""What passes through the relay: a request with a head of its own, and what comes back, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress

from weft.wasm.http.exchange import LOOK_EVERY_S, SECRET_BYTES, Exchange

END = b"\r\n\r\n"
"""Of a request's head."""

_PIECE = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
_OWN_HEADERS = (b"host:", b"connection:")


async def carry(exchange: Exchange, head: bytes, reader: StreamReader, writer: StreamWriter) -> bool:
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
    line, *headers = head.removesuffix(END).split(b"\r\n")
    method, path, version = line.split(b" ")
    path = path.removeprefix(f"/{secret}".encode())
    if not path.startswith(b"/") and path != b"*":
        path = b"/" + path
    kept = [header for header in headers if not header.lower().startswith(_OWN_HEADERS)]
    own = [b"host: " + authority.encode(), b"connection: close"]
    return b"\r\n".join([b" ".join((method, path, version)), *own, *kept]) + END


def secret_of(head: bytes) -> str:
    """What a request's path begins with."""
    _, path, _ = head.partition(b"\r\n")[0].split(b" ")
    return path[1 : 1 + 2 * SECRET_BYTES].decode("latin-1")


def break_off(writer: StreamWriter) -> None:
    """Close a connection in a way that the other side cannot take for an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
