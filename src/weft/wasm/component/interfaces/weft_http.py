"""``weft:function/http``: requests to granted hosts in one call, for who has no use for ``wasi:http``'s streams."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft.core.address import redacted
from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.weft_types import ERROR, WeftInterface
from weft.wasm.component.latin1 import to_bytes, to_text
from weft.wasm.component.types import STRING, U16, List, Record, Result, Tuple
from weft.wasm.guard import Refusal
from weft.wasm.native import Stop

if TYPE_CHECKING:
    from weft.wasm.http.requests import Requests
    from weft.wasm.instance import Instance
    from weft.wasm.program import Settings

_HEADERS = List(Tuple((STRING, STRING)))
_RESPONSE = Record((("status", U16), ("headers", _HEADERS), ("body", STRING)))


class WeftHttp(WeftInterface):
    """Requests whose responses come whole."""

    name = "weft:function/http"
    grant = "the host (http:, --http)"

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._requests: Requests | None = None

    @classmethod
    def check(cls, settings: Settings, imports: frozenset[str]) -> None:
        """What takes a while is loaded now, and not in the first frame."""
        if settings.grants.http:
            importlib.import_module("weft.wasm.http.fetch")

    @classmethod
    def asks(cls, functions: frozenset[str]) -> tuple[str, ...]:
        """Hosts."""
        return ("requests to hosts: --http HOST",) if functions else ()

    def asked(self, values: tuple[Any, ...]) -> str:
        """Without what may be secret: headers, and the URL's query."""
        method, url, headers, body = values
        return f"{method!r}, {redacted(url)!r}, {len(headers)} headers, {len(body)} bytes"

    def told(self, value: Any) -> str:
        """Likewise."""
        return f"= {value[0]}, {len(value[2])} bytes"

    def begin(self) -> None:
        """A new frame starts."""
        if self._requests is not None:
            self._requests.begin()

    def close(self) -> None:
        """The instance ends."""
        if self._requests is not None:
            self._requests.close()

    @offered(STRING, STRING, _HEADERS, STRING, result=Result(_RESPONSE, ERROR), name="fetch-latin1")
    def fetch(
        self, method: str, url: str, headers: list[tuple[str, str]], body: str
    ) -> tuple[int, list[tuple[str, str]], str]:
        """Status, headers and body, which is bytes as text both ways."""
        from weft.wasm.http.fetch import fetch
        from weft.wasm.http.requests import Requests

        left = self.instance.seconds_left
        self._requests = self._requests or Requests(self.instance, left)
        try:
            response = fetch(self._requests, method, url, headers or (), to_bytes(body), left())
        except Refusal as refusal:
            if self.instance.expired():
                raise Stop from refusal
            raise
        return response.status, response.headers, to_text(response.body)
