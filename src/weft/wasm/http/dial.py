"""How the relay connects: to an address of a host that may be reached, with the server's certificate checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from weft.core.hosts import Address, HostGrant, Target, literal
from weft.core.once import Once
from weft.wasm.http.faults import HttpFault, fault_of

MAX_ADDRESSES = 8
"""Addresses of a host that are tried, one after the other."""


MAX_LOOKUPS = 32
"""Names that are looked up at a time, for all guests: the resolver may take its time when nobody waits any longer."""

_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


async def dialled(target: Target, grants: Sequence[HostGrant], patience: float) -> tuple[StreamReader, StreamWriter]:
    """A connection to where a request goes, made within ``patience`` seconds. Raises HttpFault."""
    try:
        async with asyncio.timeout(patience):
            addresses = allowed(target, await _addresses(target), grants)
            return await _connected(target, addresses)
    except (OSError, TimeoutError) as error:
        raise fault_of(error, str(target)) from error


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
    """What the resolver says, asked on a thread that nobody waits for when the process ends. Raises OSError."""
    if not _lookups.acquire(blocking=False):
        raise socket.gaierror(socket.EAI_AGAIN, f"{MAX_LOOKUPS} names are being looked up already")
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
        finally:
            _lookups.release()
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
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
