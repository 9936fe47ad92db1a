"""HTTP to servers that are far, slow, busy or hostile: tried again, bounded, and never told what is not theirs."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import httpx

from weft.artifacts.reference import is_local
from weft.artifacts.settings import OFFLINE_VARIABLE, Retry, Settings
from weft.artifacts.transport import PlainTransport
from weft.core.address import redacted
from weft.core.errors import DeniedError, InputError, UnavailableError, WeftError
from weft.core.servers import reason_of

MAX_REDIRECTS = 5
MAX_ANSWER = 1 << 20
"""Bytes of an answer that is no blob and no manifest."""
LONGEST_PAUSE_S = 120.0

BUSY = (408, 429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)
_SAFE = ("GET", "HEAD")
_NEAR: Any = dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]"))
"""This machine is not reached by way of a proxy."""


class _Redacting(logging.Filter):
    """Takes queries out of the addresses that httpx logs: storage behind registries has its signatures there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: the record is changed, never held back."""
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
        return True


logging.getLogger("httpx").addFilter(_Redacting())


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        method: ``GET``, ``PUT`` …
        url: absolute.
        headers: beside those of the connection; what authorises is never among them.
        content: makes the body, anew for each try.
        authorization: the value of that header; sent to the host of ``url`` alone.
        also: statuses that are answers, beside those from 200 to 299.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Callable[[], AsyncIterator[bytes] | bytes] | None = None
    authorization: str = field(default="", repr=False)
    also: tuple[int, ...] = ()

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        return redacted(self.url)


class Http:
    """A client for registries and files. Use it in an ``async with`` statement."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests = 0
        self.retries = 0
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()

    def check(self, url: str) -> None:
        """Raises UnavailableError when offline, and DeniedError for plain HTTP to another machine."""
        if self.settings.offline:
            cure = f"unset {OFFLINE_VARIABLE}, leave out --offline, or pull it while there is a network"
            raise UnavailableError("it is not in the store, and Weft is offline", where=redacted(url), cure=cure)
        if not self._may(url):
            cure = "use https, or say --plain-http if nobody can listen on the way"
            raise DeniedError("it would go in the clear over the network", where=redacted(url), cure=cure)

    def _may(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme == "https" or (
            parts.scheme == "http" and (self.settings.plain_http or is_local(parts.netloc))
        )

    @asynccontextmanager
    async def stream(self, call: Call, *, retry: bool = True) -> AsyncIterator[httpx.Response]:
        """The answer to a call, its body unread; redirects are followed, and faults of the server tried again.

        Raises UnavailableError for a server that is not there or stays busy, and as :meth:`check`.
        """
        response = await self._answered(
            call, self.settings.retry if retry else replace(self.settings.retry, attempts=1)
        )
        try:
            yield response
        finally:
            await response.aclose()

    async def read(self, call: Call, most: int = MAX_ANSWER) -> tuple[httpx.Response, bytes]:
        """The answer to a call with its whole body. Raises as :meth:`stream`, and InputError for too long a body."""
        for pause in self.pauses():
            try:
                async with self.stream(call) as response:
                    return response, await read_body(response, most, call.shown)
            except httpx.TransportError as error:
                await self.wait(pause, fault(error, call.shown))
        raise AssertionError("the last pause raises")

    def pauses(self) -> list[float | None]:
        """Seconds to wait after each try; None after the last."""
        retry = self.settings.retry
        longest = [min(retry.most_s, retry.first_s * 2**number) for number in range(retry.attempts - 1)]
        return [*(random.uniform(pause / 2, pause) for pause in longest), None]

    async def wait(self, pause: float | None, error: WeftError) -> None:
        """Wait before the next try. Raises the error where there is none."""
        if pause is None:
            raise error
        self.retries += 1
        await asyncio.sleep(pause)

    async def _answered(self, call: Call, retry: Retry) -> httpx.Response:
        """The answer, whatever its status, once the server is not busy."""
        for pause in self.pauses()[-retry.attempts :]:
            try:
                response = await self._followed(call)
            except httpx.TransportError as error:
                await self.wait(pause, fault(error, call.shown))
                continue
            if response.status_code not in BUSY or response.status_code in call.also:
                return response
            asked = pause_asked(response)
            status = f"{response.status_code} {response.reason_phrase}".strip()
            await response.aclose()
            cure = "try again later" if asked is None else f"it asks to be left alone for {asked:.0f} s"
            busy = UnavailableError(f"the server answered {status}", where=call.shown, cure=cure)
            if asked is not None and asked > LONGEST_PAUSE_S:
                raise busy
            await self.wait(None if pause is None else max(pause, asked or 0.0), busy)
        raise AssertionError("the last pause raises")

    async def _followed(self, call: Call) -> httpx.Response:
        """The answer behind redirects. What authorises goes to the first host alone."""
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(call)
            moved = response.status_code in _MOVED and call.method in _SAFE and "location" in response.headers
            if not moved or response.status_code in call.also:
                return response
            await response.aclose()
            target = urljoin(call.url, response.headers["location"])
            if urlsplit(call.url).scheme == "https" and urlsplit(target).scheme != "https":
                raise DeniedError(
                    "it leads from https to plain http", where=call.shown, cure="tell who runs the server"
                )
            kept = call.authorization if same_origin(call.url, target) else ""
            call = replace(call, url=target, authorization=kept)
        raise InputError(
            "it leads from one address to the next without end", where=call.shown, cure="check the address"
        )

    async def _send(self, call: Call) -> httpx.Response:
        self.check(call.url)
        client = self._client(urlsplit(call.url).scheme)
        headers = {**call.headers, "Accept-Encoding": "identity"}
        if call.authorization:
            headers["Authorization"] = call.authorization
        content: Any = None if call.content is None else call.content()
        self.requests += 1
        try:
            request = client.build_request(call.method, call.url, headers=headers, content=content)
            return await client.send(request, stream=True)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError) as error:
            raise InputError("that is no address", where=call.shown, cure="check it") from error

    def _client(self, scheme: str) -> httpx.AsyncClient:
        """The client for http or https: certificates take a while to load, and only one of them needs them."""
        if scheme not in self._clients:
            timeout = httpx.Timeout(self.settings.patience_s, connect=min(15.0, self.settings.patience_s), pool=None)
            direct = PlainTransport() if scheme == "http" and not getproxies().get("http") else None
            self._clients[scheme] = httpx.AsyncClient(
                transport=direct, timeout=timeout, headers={"User-Agent": "weft"}, follow_redirects=False, mounts=_NEAR
            )
        return self._clients[scheme]


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses are the same server's."""
    first, second = httpx.URL(one), httpx.URL(other)
    ports = {"http": 80, "https": 443}
    return (first.scheme, first.host, first.port or ports.get(first.scheme)) == (
        second.scheme,
        second.host,
        second.port or ports.get(second.scheme),
    )


async def read_body(response: httpx.Response, most: int, where: str) -> bytes:
    """A body. Raises InputError where it is longer than ``most`` bytes, and httpx.TransportError."""
    pieces, size = [], 0
    async for piece in response.aiter_raw():
        pieces.append(piece)
        size += len(piece)
        if size > most:
            what = f"the answer is longer than {most} bytes"
            raise InputError(what, where=where, cure="the server is at fault: tell who runs it")
    return b"".join(pieces)


def pause_asked(response: httpx.Response) -> float | None:
    """Seconds that a server asks to be left alone for, in its header ``Retry-After``."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def fault(error: httpx.TransportError, where: str) -> UnavailableError:
    """What a fault of the network means."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        what, cure = f"no connection: {reason_of(error)}", "check the address and the network"
        if "CERTIFICATE" in str(error):
            cure = "name its authority's certificate: SSL_CERT_FILE=ca.pem"
        elif "SSL" in str(error):
            cure = "the server speaks no TLS: --plain-http if nobody can listen on the way"
    elif isinstance(error, httpx.TimeoutException):
        what, cure = "nothing comes any more", "try again: what is there is kept"
    else:
        what, cure = f"the connection was cut: {error or type(error).__name__}", "try again: what is there is kept"
    return UnavailableError(what, where=where, cure=cure)
