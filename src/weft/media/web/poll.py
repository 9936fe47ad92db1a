"""One question to a web server, and its answer: within a time, a size and a number of redirects."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from urllib.parse import urljoin

import httpx

from weft.core.address import redacted
from weft.core.clock import now_ns
from weft.core.errors import (
    DeniedError,
    IdentityError,
    NotFoundError,
    SizeError,
    UnavailableError,
    UsageError,
    WeftError,
)
from weft.core.servers import WebAddress, reason_of, web_address
from weft.core.text import visible
from weft.core.units import format_duration, format_size
from weft.media.login import Login, Trust
from weft.media.payloads import essence

MAX_REDIRECTS = 5
LONGEST_PAUSE_S = 3600.0
"""Seconds beyond which a server's wish to be left alone is not heeded."""

_MOVED = {301, 302, 303, 307, 308}
_NOT_MODIFIED = 304
_EMPTY = {204, 205}
_ENDLESS = "multipart/x-mixed-replace"


class _Redacting(logging.Filter):
    """Takes queries out of the addresses that httpx logs: cameras have their tokens there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(str(arg)) if isinstance(arg, httpx.URL) else arg for arg in record.args)
        return True


logging.getLogger("httpx").addFilter(_Redacting())


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        address: of what.
        login: who asks.
        trust: whom to believe, over TLS.
        headers: to send to this server beside Weft's own; they may be secret.
        timeout_s: until the end of the answer.
        max_size: bytes of the body.
        always: whether a body that is as before is wanted, too.
    """

    address: WebAddress
    login: Login
    trust: Trust
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float
    max_size: int
    always: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A body.

    Attributes:
        body: its bytes.
        media_type: what the server says it is; empty where it says nothing.
        time_ns: when it had come, nanoseconds since the epoch.
        headers: of the answer, those that go with the frame.
    """

    body: bytes
    media_type: str
    time_ns: int
    headers: Mapping[str, str]


class Refused(Exception):
    """There is no answer.

    Attributes:
        trouble: why.
        final: trying again is of no use.
        pause: how many seconds the server asks to be left alone for.
        hung: it took too long.
    """

    def __init__(self, trouble: WeftError, *, final: bool = False, pause: float = 0.0, hung: bool = False) -> None:
        super().__init__(trouble.what)
        self.trouble = trouble
        self.final = final
        self.pause = pause
        self.hung = hung


class Asker:
    """Asks one question again and again, over connections that are kept. To be used in one event loop."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._client: httpx.AsyncClient | None = None
        self._validators: dict[str, str] = {}
        self._seen = b""

    async def ask(self) -> Answer | None:
        """The answer; None where it is as before. Raises Refused."""
        question = self._question
        try:
            async with asyncio.timeout(question.timeout_s):
                return await self._asked()
        except TimeoutError as error:
            what = f"no whole answer came within {format_duration(question.timeout_s)}"
            raise self._refused(
                UnavailableError(what, cure="check the server, or give it more time"), hung=True
            ) from error
        except httpx.TransportError as error:
            raise self._fault(error) from error
        except (httpx.InvalidURL, UnicodeError) as error:
            trouble = UnavailableError("it leads to what is no address", cure="tell who runs the server")
            raise self._refused(trouble) from error
        except (UsageError, NotFoundError) as error:  # a file or variable that will not do
            raise self._refused(error, final=True) from error
        except WeftError as error:
            raise self._refused(error) from error

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _asked(self) -> Answer | None:
        async with self._followed() as response:
            if response.status_code == _NOT_MODIFIED or response.status_code in _EMPTY:
                return None
            self._check(response)
            return self._new(response, await self._body(response))

    @asynccontextmanager
    async def _followed(self) -> AsyncIterator[httpx.Response]:
        """The answer behind redirects. What says who asks goes to the first server alone."""
        address, own = self._question.address, self._own_headers()
        self._opened().cookies.clear()  # what a server gave the last time: nothing bounds how much that becomes
        for _ in range(MAX_REDIRECTS + 1):
            headers = own if address.target == self._question.address.target else {}
            async with self._opened().stream("GET", address.url, headers={**headers, **self._validators}) as response:
                if response.status_code not in _MOVED or "location" not in response.headers:
                    yield response
                    return
                address = self._next(address, response.headers["location"])
        raise UnavailableError("it leads from one address to the next without end", cure="check the address")

    def _next(self, address: WebAddress, location: str) -> WebAddress:
        try:
            found = web_address(urljoin(address.url, location))
        except UsageError as error:
            raise UnavailableError("it leads to what is no address", cure="tell who runs the server") from error
        if address.target.scheme == "https" and found.target.scheme != "https":
            raise UnavailableError("it leads from https to plain http", cure="tell who runs the server")
        return found

    def _own_headers(self) -> dict[str, str]:
        login = self._question.login
        headers = dict(self._question.headers)
        if login.token is not None:
            headers["Authorization"] = f"Bearer {_plain(login.token.read())}"
        elif login.user is not None:
            password = "" if login.password is None else login.password.read()
            headers["Authorization"] = "Basic " + base64.b64encode(f"{login.user}:{password}".encode()).decode()
        return headers

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=self._question.trust.context(),
                # Bounded, as a body that is small when it comes may be large when it is unpacked: nothing packed.
                headers={"User-Agent": "weft", "Accept-Encoding": "identity", "Accept": "*/*"},
                follow_redirects=False,
                timeout=None,  # the whole has one
                limits=httpx.Limits(max_connections=2, max_keepalive_connections=1),
            )
        return self._client

    def _check(self, response: httpx.Response) -> None:
        """Raises Refused for what is no answer to take a frame from."""
        status = response.status_code
        if not 200 <= status < 300:
            raise self._status(response)
        if essence(response.headers.get("content-type", "")) == _ENDLESS:
            cure = "take it as a camera: type: camera with device: and the address, or weft source camera"
            raise self._refused(UsageError("it sends pictures without end", cure=cure), final=True)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnavailableError("it sends a packed body that was not asked for", cure="tell who runs the server")

    def _status(self, response: httpx.Response) -> Refused:
        status = response.status_code
        told = visible(f"{status} {response.reason_phrase}".strip())
        if status in (401, 407):
            cure = "check user and password_file, or token_file"
            return self._refused(IdentityError(f"the server rejects who asks: {told}", cure=cure), final=True)
        if status == 403:
            return self._refused(DeniedError(f"the server refuses: {told}", cure="have it allowed there"), final=True)
        if status in (404, 410):
            return self._refused(NotFoundError(f"the server answered {told}", cure="check the address"))
        pause = min(LONGEST_PAUSE_S, _pause(response.headers.get("retry-after", "")))
        cure = f"it asks to be left alone for {format_duration(pause)}" if pause else "check the server"
        return self._refused(UnavailableError(f"the server answered {told}", cure=cure), pause=pause)

    async def _body(self, response: httpx.Response) -> bytes:
        most = self._question.max_size
        pieces, size = [], 0
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > most:
                what = f"the body is over {format_size(most)}"
                raise SizeError(what, cure="raise max_size, if it is meant to be so large")
            pieces.append(piece)
        return b"".join(pieces)

    def _new(self, response: httpx.Response, body: bytes) -> Answer | None:
        """The answer, where it is a new one. What tells it from the next one is kept."""
        digest = blake2b(body, digest_size=16).digest()
        known, self._seen = digest == self._seen, digest
        told = {name: response.headers[name] for name in ("etag", "last-modified") if name in response.headers}
        if known and not self._question.always:
            self._keep(told)
            return None
        self._keep(told)
        kept = {name: visible(value) for name, value in told.items() if len(value) <= 256}
        return Answer(body, essence(response.headers.get("content-type", "")), now_ns(), kept)

    def _keep(self, told: Mapping[str, str]) -> None:
        if not self._question.always:
            asks = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
            self._validators = {asks[name]: value for name, value in told.items()}

    def _refused(self, trouble: WeftError, *, final: bool = False, pause: float = 0.0, hung: bool = False) -> Refused:
        return Refused(trouble.at(self._question.address.shown), final=final, pause=pause, hung=hung)

    def _fault(self, error: httpx.TransportError) -> Refused:
        """What a fault of the network means."""
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            cure = "name its authority's certificate as ca; the address must be the one in the server's certificate"
            return self._refused(IdentityError("the server is not trusted", cure=cure), final=True)
        if isinstance(error, httpx.ConnectError):
            what = f"no connection: {visible(reason_of(error))}"
            return self._refused(UnavailableError(what, cure="check the address and the network"))
        what = f"the connection was cut: {visible(str(error)) or type(error).__name__}"
        return self._refused(UnavailableError(what, cure="check the server and the network between"))


def _plain(token: str) -> str:
    if not token.isascii():
        raise UsageError("the token holds what no token may: it is not ASCII", cure="look into its file or variable")
    return token


def _pause(told: str) -> float:
    """Seconds, from a header ``Retry-After``: so many of them, or a date; 0 for neither."""
    if told.isascii() and told.isdigit():
        return float(told[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    return 0.0
