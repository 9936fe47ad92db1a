"""HTTP requests to the hosts that were granted to the function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weft._backend import host


class Response:
    """What a server answered.

    Attributes:
        status: such as 200.
        headers: values by name in small letters; the last one where there are several.
        body: all of it.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"

    @property
    def ok(self) -> bool:
        """True for a status of 200 to 299."""
        return 200 <= self.status < 300

    def text(self) -> str:
        """The body as UTF-8, what is malformed replaced by U+FFFD."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        import json

        return json.loads(self.body)


def fetch(
    url: str,
    *,
    method: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes | bytearray | memoryview | str = b"",
    json: Any = None,
) -> Response:
    """Make a request and wait for the whole response. Redirects are not followed.

    The method is POST where there is a body, and GET otherwise; ``json`` is a body that anything JSON can say. Raises
    HostError: ``denied`` for a host that was not granted, ``failed`` where there is no answer.
    """
    given = {"user-agent": "weft", **({name.lower(): value for name, value in (headers or {}).items()})}
    if json is not None:
        from json import dumps

        body = dumps(json)
        given.setdefault("content-type", "application/json")
    data = body.encode() if isinstance(body, str) else bytes(body)
    return Response(*host().fetch(method or ("POST" if data else "GET"), url, given, data))
