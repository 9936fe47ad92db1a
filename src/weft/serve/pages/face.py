"""Health, metrics, the OpenAPI document and the page that shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from weft.serve import metrics
from weft.serve.app import Endpoint, Face
from weft.serve.call import Call, call_of
from weft.serve.pages.docs import CONTENT_POLICY, docs_page
from weft.serve.pages.openapi import openapi_document
from weft.serve.services import Services

_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_HTML = (b"content-type", b"text/html; charset=utf-8")
_SAFE = (
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Pages(Face):
    """``/healthz``, ``/readyz``, ``/metrics``, ``/openapi.json`` and ``/docs`` of a server.

    Args:
        faces: the others, whose operations are described and whose metrics are told.
    """

    name = "pages"
    front = "/"

    def __init__(self, faces: Sequence[Face]) -> None:
        self._faces = (*faces, self)
        self._counts = metrics.RequestCounts()
        document = openapi_document([face.openapi() for face in self._faces])
        self._document, self._page = msgspec.json.encode(document), docs_page(document).encode()
        self._found = {path: _worded(answer, word) for path, (answer, word) in self._pages()}

    def routes(self, services: Services) -> Sequence[BaseRoute]:
        """The five pages."""
        return [Route(path, _answering(found), methods=["GET"]) for path, found in self._found.items()]

    def find(self, services: Services, method: str, path: str) -> Endpoint | None:
        """The same pages, before a model that is called as one of them is."""
        return self._found.get(path) if method in ("GET", "HEAD") else None

    def _pages(self) -> Iterable[tuple[str, tuple[Endpoint, str]]]:
        return {
            "/healthz": (self.healthy, "health"),
            "/readyz": (self.ready, "ready"),
            "/metrics": (self.metered, "metrics"),
            "/openapi.json": (self.described, "openapi"),
            "/docs": (self.shown, "docs"),
        }.items()

    async def start(self, services: Services) -> None:
        """Count requests from now on, and load what metrics need: not while somebody waits for them."""
        services.observers.append(self._counts.take)
        import weft.flow.metrics  # noqa: F401 - for its time, which is long

    async def healthy(self, call: Call) -> None:
        """The server answers."""
        await call.json({"status": "ok"})

    async def ready(self, call: Call) -> None:
        """Whether all models are ready and the server goes on."""
        ready = call.services.ready
        await call.json({"ready": ready}, 200 if ready else 503)

    async def metered(self, call: Call) -> None:
        """All metrics of the process."""
        from weft.flow.metrics import Metrics

        call.caller.require("read", "metrics")
        samples = [*metrics.samples_of(call.services), *self._counts.samples()]
        samples += [sample for face in self._faces for sample in face.metrics(call.services)]
        await call.answer(200, [metrics.text(samples), Metrics().text()], [_TEXT])

    async def described(self, call: Call) -> None:
        """The OpenAPI document."""
        await call.answer(200, [self._document], [(b"content-type", b"application/json")])

    async def shown(self, call: Call) -> None:
        """The same for people."""
        await call.answer(200, [self._page], [_HTML, *_SAFE])


class _Answered(Response):
    """Nothing more is to be sent: the call has answered."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        return


def _worded(answer: Endpoint, word: str) -> Endpoint:
    async def endpoint(call: Call) -> None:
        call.route = word
        await answer(call)

    return endpoint


def _answering(answer: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        await answer(call_of(request))
        return _Answered()

    return endpoint
