"""A request made by the host for a guest: the whole response at once."""

from __future__ import annotations

import http.client
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from weft.core.text import visible
from weft.wasm.guard import Kind, Refusal
from weft.wasm.http.exchange import Exchange
from weft.wasm.http.faults import HttpFault
from weft.wasm.http.relay import relay
from weft.wasm.http.requests import Requests

MAX_URL = 16 * 1024
"""Characters of a URL."""

_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer"})
"""Headers that say how a request is sent, which is not for the guest to say."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNFIT = re.compile(r"[\0-\x08\n-\x1f\x7f]")
"""What no value holds; a line that goes on in the next one would be a header of its own to some servers."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered.

    Attributes:
        status: such as 200.
        headers: names in small letters, and values.
        body: all of it.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def fetch(
    requests: Requests, method: str, url: str, headers: Iterable[tuple[str, str]], body: bytes, left: float
) -> Response:
    """Make a request, and wait at most ``left`` seconds for its response. Redirects are not followed.

    Raises Refusal: "denied" where the host was not granted, "invalid" for what is no request, "failed" otherwise.
    """
    scheme, authority, path = _parted(url)
    given = checked(headers)
    try:
        exchange = requests.open(method.upper(), scheme, authority)
    except HttpFault as fault:
        raise _refusal(fault) from fault
    try:
        return _exchanged(exchange, method.upper(), path, given, body, left)
    except (ValueError, http.client.InvalidURL) as error:
        raise Refusal("invalid", f"{exchange.target}: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        what = str(error) or type(error).__name__
        raise Refusal("failed", f"{exchange.target}: the response broke off: {what}") from error
    finally:
        relay().end(exchange)


def _exchanged(
    exchange: Exchange, method: str, path: str, headers: list[tuple[str, str]], body: bytes, left: float
) -> Response:
    connection = http.client.HTTPConnection(*relay().address, timeout=None if left == math.inf else left + 1.0)
    try:
        connection.putrequest(method, f"/{exchange.secret}{path}", skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body or method in {"POST", "PUT", "PATCH"}:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        found = [(name.lower(), value) for name, value in response.getheaders()]
        return Response(response.status, found, response.read())
    finally:
        connection.close()


def _parted(url: str) -> tuple[str, str, str]:
    """Scheme, authority and path of a URL. Raises Refusal."""
    if len(url) > MAX_URL:
        raise Refusal("too_large", f"a URL of {len(url)} characters; at most {MAX_URL}")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Refusal("invalid", f"no URL: {error}") from error
    path = parts.path or "/"
    return parts.scheme, parts.netloc, f"{path}?{parts.query}" if parts.query else path


def checked(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers that a request may have. Raises Refusal for what is none, and for those that are the host's."""
    given = list(headers)
    for name, value in given:
        if not _NAME.fullmatch(name) or _UNFIT.search(value):
            raise Refusal("invalid", f"no header: {visible(name[:80])!r}", "a name holds no blanks, a value one line")
        if name.lower() in _OURS:
            raise Refusal("invalid", f"the header {name} is the host's to set", "leave it out")
    return given


def _refusal(fault: HttpFault) -> Refusal:
    kind: Kind = "failed"
    if fault.code in ("HTTP-request-denied", "destination-IP-prohibited"):
        kind = "denied"
    elif fault.code in ("HTTP-request-URI-invalid", "HTTP-request-method-invalid", "HTTP-protocol-error"):
        kind = "invalid"
    return Refusal(kind, fault.reason, fault.cure)
