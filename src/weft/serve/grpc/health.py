"""``grpc.health.v1.Health``: whether the server is ready, for those who only know that protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from weft.core.errors import NotFoundError, WeftError
from weft.serve.call import Call
from weft.serve.grpc.door import Context, Door, parsed, refuse
from weft.serve.grpc.proto import message
from weft.serve.grpc.rpcs import SERVICE

NAME = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING, _UNKNOWN = 1, 2, 3
_LOOKS_EVERY_S = 0.25


class Health:
    """The methods ``Check`` and ``Watch``. They know the server, as ``""`` and by its service, and models by name."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._services = door.services

    async def check(self, call: Call, data: bytes, left_s: float | None) -> bytes:
        """The state of a service now. Raises NotFoundError."""
        call.route = "health"
        state = self._state(call, _asked(data))
        if state == _UNKNOWN:
            raise NotFoundError("no such service", cure=f"ask for '', '{SERVICE}', or a model's name")
        return _told(state)

    async def watch(self, data: bytes, context: Context) -> AsyncIterator[bytes]:
        """The state of a service, and again whenever it changes; the server's end is the last change."""
        call = self._door.call(f"/{NAME}/Watch", context)
        try:
            await call.let_in()
            name = _asked(data)
        except WeftError as error:
            await refuse(context, error)
            raise  # it has raised
        last = 0
        while True:
            if (state := self._state(call, name)) != last:
                yield _told(state)
                last = state
            if self._services.stopping:
                return
            await asyncio.sleep(_LOOKS_EVERY_S)

    def _state(self, call: Call, name: str) -> int:
        if name in ("", SERVICE):
            return _SERVING if self._services.ready else _NOT_SERVING
        if not call.caller.may("read", "model", name):
            return _UNKNOWN
        try:
            ready = self._services.models.version(name).ready
        except NotFoundError:
            return _UNKNOWN
        return _SERVING if ready and not self._services.stopping else _NOT_SERVING


def _asked(data: bytes) -> str:
    name: str = parsed("grpc.health.v1.HealthCheckRequest", data).service
    return name


def _told(state: int) -> bytes:
    made: Any = message("grpc.health.v1.HealthCheckResponse")(status=state)
    data: bytes = made.SerializeToString()
    return data
