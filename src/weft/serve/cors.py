"""Pages of other origins: browsers ask first whether these may use the server, and are told."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from weft.core.errors import UsageError
from weft.serve.answers import Header
from weft.serve.call import Call

_METHODS = b"GET, POST, PUT, DELETE"
_HEADERS = b"authorization, x-api-key, content-type, content-encoding, inference-header-content-length"
_EXPOSED = b"inference-header-content-length, retry-after, content-encoding, www-authenticate"
_KEPT_S = b"600"


class Cors:
    """Answers browsers' questions, and tells them of every answer who may read it. No cookies are ever taken."""

    def __init__(self, origins: Iterable[str]) -> None:
        """``origins`` may ask; ``*`` for all. Raises UsageError for what is no origin."""
        self._origins = frozenset(map(_checked, origins))

    async def answered(self, call: Call) -> bool:
        """Whether it was a browser's question before a request, which is answered then."""
        origin = call.headers.get("origin", "")
        if not origin:
            return False
        allowed = "*" in self._origins or origin.lower() in self._origins
        call.added = [(b"vary", b"origin"), *(_allowing(origin) if allowed else ())]
        if call.method != "OPTIONS" or "access-control-request-method" not in call.headers:
            return False
        call.route = "preflight"
        if allowed:
            await call.answer(204, [], _preflight(call))
        else:
            await call.error(403, f"pages of {origin[:100]} may not ask this server")
        return True


def _allowing(origin: str) -> list[Header]:
    return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"access-control-expose-headers", _EXPOSED)]


def _preflight(call: Call) -> list[Header]:
    """The headers that are known here, and those of functions, which begin with ``x-`` or ``ce-``."""
    asked = (word.strip().lower() for word in call.headers.get("access-control-request-headers", "").split(","))
    own = [word.encode("latin-1") for word in asked if word.startswith(("x-", "ce-"))]
    return [
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", b", ".join([_HEADERS, *own])),
        (b"access-control-max-age", _KEPT_S),
    ]


def _checked(origin: str) -> str:
    parts = urlsplit(origin)
    if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query):
        raise UsageError(f"'{origin}' is no origin", cure="write it like https://page.example:8443, or * for all")
    return origin.lower()
