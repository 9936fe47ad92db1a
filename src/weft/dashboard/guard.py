"""Who may see a page: the right Host and Origin, and the token where others can reach the server."""

from __future__ import annotations

import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

YEAR_S = 365 * 24 * 3600
MAX_FIELDS = 8


class Guard:
    """Refuses what must not pass, and sets the headers that keep browsers from doing more than they should.

    Args:
        app: what is guarded.
        token: what has to be known; empty for a server that only this machine reaches.
        port: of the server; cookies of one machine's servers are told apart by it.
        free: paths that need no token, as there is nothing to see.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int, free: str) -> None:
        self._app = app
        self._token = token
        self._cookie = f"weft-{port}"
        self._free = free

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if refused is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1]})
            return
        app = self._app if refused is None else PlainTextResponse(f"{refused[1]}\n", refused[0])
        await app(scope, receive, self._sender(scope, send))

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Status and reason; None for who may pass."""
        host = headers.get("host", "")
        if not self._token and not is_local(_name(host)):
            return 421, f"this server is for its own machine: open it as localhost, not as {_name(host) or 'nothing'}"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return 403, "a page of another server may not use this one"
        if self._token and not scope["path"].startswith(self._free) and not self._knows(scope, headers):
            return 401, "open the address that weft printed, with its token"
        return None

    def _knows(self, scope: Scope, headers: Headers) -> bool:
        return _same(_cookie(headers, self._cookie), self._token) or self._told(scope)

    def _told(self, scope: Scope) -> bool:
        """Whether the address itself has the token, as the first time."""
        if not self._token:
            return False
        try:
            asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=MAX_FIELDS)
        except ValueError:
            return False
        return _same(asked.get("token", [""])[0], self._token)

    def _sender(self, scope: Scope, send: Send) -> Send:
        keep = scope["type"] == "http" and self._told(scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if keep:
                    rules = f"Path=/; Max-Age={YEAR_S}; HttpOnly; SameSite=Strict"
                    headers.append("set-cookie", f"{self._cookie}={self._token}; {rules}")
            await send(message)

        return guarded


def is_local(name: str) -> bool:
    """Whether a page of this machine alone may be called so.

    A name that somebody else gave out and that leads here is refused, so that no web site reaches the page through a
    name server that lies (DNS rebinding).
    """
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())
