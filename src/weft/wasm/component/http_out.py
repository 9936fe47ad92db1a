"""``wasi:http/outgoing-handler``: requests of a component, to granted hosts alone.

The types, bodies and streams are wasmtime's own. Its ``handle`` is replaced: here a request is looked at, its host
checked against the grants, and the connection made, before wasmtime's client gets it (see
:mod:`weft.wasm.http.relay`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, get_args

from weft.core.address import redacted
from weft.core.errors import DeniedError
from weft.wasm.component import cvalues, native
from weft.wasm.component.aide import WASI
from weft.wasm.component.http_courier import Courier, Request
from weft.wasm.component.types import STRING, U16, Option, Record, Result, Variant, no_handles
from weft.wasm.host.base import HostPart
from weft.wasm.http.faults import Code, HttpFault
from weft.wasm.http.relay import relay
from weft.wasm.http.requests import Requests
from weft.wasm.native import Stop

if TYPE_CHECKING:
    from weft.wasm.instance import Instance
    from weft.wasm.program import Settings

HANDLER = "wasi:http/outgoing-handler"
FUNCTIONS = {f"{HANDLER}@{WASI}": ("handle",)}
"""What is replaced in wasmtime's own interfaces."""

GRACE_S = 0.25
"""Seconds after the end of its time at which a guest that reads a body is woken, to find that it is over."""

_PAYLOADS = {"DNS-error": Record((("rcode", Option(STRING)), ("info-code", Option(U16))))}
_ERROR = Result(None, Variant(tuple((code, _PAYLOADS.get(code)) for code in get_args(Code))))


class Outgoing(HostPart):
    """The requests of one instance by ``wasi:http``."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._requests = Requests(instance, instance.seconds_left, GRACE_S)
        self._courier: Courier | None = None

    @classmethod
    def check(cls, settings: Settings, imports: frozenset[str]) -> None:
        """Raise DeniedError for a component that makes requests, where no host is granted."""
        named = next((name for name in imports if name.startswith(HANDLER)), None)
        if named and not settings.grants.http:
            raise DeniedError(
                f"imports {named}, and no host was granted to it",
                where=settings.name,
                cure="grant the hosts it may make requests to: grants: {http: [HOST]} (--http HOST)",
            )

    def bind(self, function: str) -> Callable[..., int]:
        """The function as wasmtime calls it."""
        return self._handle

    def begin(self) -> None:
        """A new frame starts."""
        self._requests.begin()

    def close(self) -> None:
        """The instance ends."""
        self._requests.close()

    def _handle(self, context: int, args: int, _count: int, results: int) -> int:
        """``handle(request, options)``."""
        if self._courier is None:
            self._courier = Courier(context)
        begin, request = perf_counter(), self._courier.look(args)
        try:
            self._send(self._courier, request, args, results)
            came = "= sent"
        except HttpFault as fault:
            if self.instance.expired():
                raise Stop from fault
            came = f"refused: {fault.reason}"
            self.instance.note(f"outgoing-handler.handle: {fault.reason}", fault.cure)
            payload = (None, None) if fault.code in _PAYLOADS else None
            _ERROR.write(results, (False, (fault.code, payload)), no_handles)
            for value in filter(None, (args, _options_at(args))):
                with suppress(native.ForeignResourceError):  # what the guest still uses goes with its store
                    native.give_back(context, _pointer_in(value))
        if (trace := self.instance.settings.trace) is not None:
            url = redacted(f"{request.scheme}://{request.authority}{request.path}")
            called = f"outgoing-handler.handle({request.method} {url})"
            trace.call(self.instance.settings.name, called, came, perf_counter() - begin)
        return 0

    def _send(self, courier: Courier, request: Request, args: int, results: int) -> None:
        """Raises HttpFault."""
        options = _options_at(args)
        wanted = courier.patience(options) if options else None
        exchange = self._requests.open(request.method, request.scheme, request.authority, wanted)
        if not courier.turn(args, relay().authority, f"/{exchange.secret}{request.path}"):
            relay().end(exchange)
            raise HttpFault("HTTP-request-URI-invalid", f"{exchange.target}: the path is none")
        courier.send(args, args + cvalues.SIZE, self.instance.seconds_left() + GRACE_S, results)


def _options_at(args: int) -> int:
    """The address of the options' value, which stands in the second argument; 0 for none."""
    return _pointer_in(args + cvalues.SIZE)


def _pointer_in(value: int) -> int:
    """What an option or a resource points to."""
    return ctypes.c_size_t.from_address(value + cvalues.AT).value
