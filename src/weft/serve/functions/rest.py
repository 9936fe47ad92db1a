"""``POST /functions/NAME``: body in, body out; and what there is, by ``GET``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from weft.core.clock import monotonic
from weft.core.errors import SizeError, WeftError
from weft.core.frame import Frame
from weft.core.units import format_size
from weft.flow.metric import Sample
from weft.serve.app import Endpoint, Face
from weft.serve.call import Call, call_of
from weft.serve.functions import cloudevents
from weft.serve.functions.active import Active
from weft.serve.functions.events import stream
from weft.serve.functions.headers import frame_headers, media_type
from weft.serve.functions.hosted import Hosted
from weft.serve.functions.metrics import samples
from weft.serve.functions.reply import Asked, reply, wanted_mode
from weft.serve.functions.service import Functions
from weft.serve.functions.shown import shown_to_clients
from weft.serve.oip.infer import while_wanted
from weft.serve.oip.packing import unpacked_of
from weft.serve.services import Services

_AT = "/functions/"
_METHODS = ("POST", "PUT")


class FunctionsFace(Face):
    """The functions of a server, over HTTP.

    Args:
        functions: those there are; they are loaded when the server starts.
        debug: tell clients all that is known of a failure, with tracebacks and paths.
    """

    name = "functions"
    front = _AT

    def __init__(self, functions: Functions, *, debug: bool = False) -> None:
        self.functions = functions
        self._shown = partial(shown_to_clients, debug=debug)
        self._active = Active()

    async def start(self, services: Services) -> None:
        """Begin to load the functions."""
        services.parts.append(self.functions)
        self.functions.start(services.models)

    async def stop(self, services: Services, drain_s: float) -> None:
        """Finish what was taken."""
        until = monotonic() + drain_s
        await self._active.ended(drain_s)
        await self.functions.stop(max(until - monotonic(), 0.0))

    def find(self, services: Services, method: str, path: str) -> Endpoint | None:
        """Calls go past the router."""
        name = path.removeprefix(_AT)
        return partial(self._called, name=name) if method in _METHODS and name and "/" not in name else None

    def routes(self, services: Services) -> Sequence[BaseRoute]:
        """The list, each function's description, and the calls that ``find`` has before."""
        return [
            Route("/functions", self._list, methods=["GET"], name="functions"),
            Route("/functions/{name}", self._describe, methods=["GET"], name="function"),
            Route("/functions/{name}", self._call, methods=list(_METHODS), name="call"),
        ]

    def metrics(self, services: Services) -> Iterable[Sample]:
        """Calls by function and outcome, and what waits and runs."""
        return samples(self.functions.all())

    # --- endpoints -----------------------------------------------------------------------

    async def _list(self, request: Request) -> Response:
        call = call_of(request)
        call.route = "functions"
        told = [summary(one) for one in self.functions.all() if call.caller.may("read", "function", one.name)]
        await call.json({"functions": told})
        return Sent()

    async def _describe(self, request: Request) -> Response:
        call = call_of(request)
        call.route, call.subject = "function", request.path_params["name"]
        call.caller.require("read", "function", call.subject)
        await call.json(described(self.functions.get(call.subject), call))
        return Sent()

    async def _call(self, request: Request) -> Response:
        await self._called(call_of(request), request.path_params["name"])
        return Sent()

    async def _called(self, call: Call, name: str) -> None:
        call.route, call.subject = "call", name
        call.caller.require("infer", "function", name)  # before its body is looked at
        hosted = self.functions.get(name)
        with self._active:
            try:
                asked = await asked_of(call, hosted)
            except WeftError as error:
                hosted.failed(error)
                raise
            if asked.streamed:
                work = partial(hosted.call, asked.frame)
                await while_wanted(call, stream(call, work, self._shown))
                return
            try:
                emitted = await while_wanted(call, hosted.call(asked.frame))
            except WeftError as error:
                raise self._shown(error) from error
            await call.answer(*reply(emitted, asked))


class Sent(Response):
    """Nothing more is to be sent: the call has answered."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Nothing."""


async def asked_of(call: Call, hosted: Hosted) -> Asked:
    """A request as a frame for a function. Raises SizeError, InputError, and as :meth:`Call.body`."""
    headers, most = call.headers, hosted.spec.max_body or call.services.settings.max_body
    _check_size(int(headers.get("content-length", "0")), most)
    mode = cloudevents.mode_of(headers)
    body = await call.body()
    if (encoding := headers.get("content-encoding", "identity").lower()) != "identity":
        body = await unpacked_of(call, body, encoding, most)
    _check_size(len(body), most)
    data = bytes(body)
    query = call.scope.get("query_string", b"").decode("latin-1")
    told, kind = frame_headers(headers, query), media_type(headers, data)
    if mode:
        event = cloudevents.structured(data) if mode == "structured" else cloudevents.binary(headers, data, kind)
        told, kind, data = {**told, **event.headers}, event.media_type, event.payload
    frame = Frame(data, media_type=kind, source="http", sequence=hosted.next_sequence(), headers=told)
    streamed = "text/event-stream" in headers.get("accept", "").lower()
    return Asked(frame, wanted_mode(mode, headers), streamed, _AT + hosted.name)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise SizeError(f"the body has {format_size(size)}, and {format_size(most)} are taken", cure="send less")


def summary(hosted: Hosted) -> dict[str, object]:
    """A function in the list."""
    return {"name": hosted.name, "state": hosted.state, "url": _AT + hosted.name}


def described(hosted: Hosted, call: Call) -> dict[str, object]:
    """A function by itself."""
    spec = hosted.spec
    timeout_s = spec.timeout_s if spec.timeout_s != float("inf") else None
    return {
        **summary(hosted),
        "reason": hosted.reason,
        "abi": hosted.abi,
        "instances": hosted.instances,
        "queue": spec.queue,
        "timeout_s": timeout_s,
        "max_body": spec.max_body or call.services.settings.max_body,
        "waiting": hosted.waiting,
        "running": hosted.running,
        "counts": asdict(hosted.counts),
    }
