"""All that the gRPC port answers: services, their methods, and what is not offered."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc

from weft.serve.call import Call
from weft.serve.grpc import health, reflection
from weft.serve.grpc.door import Context, Door
from weft.serve.grpc.rpcs import SERVICE, Rpcs
from weft.serve.grpc.stream import Streams
from weft.serve.services import Services

_NO_MEMORY = "shared memory is not offered here (send tensors with the request)"
_NO_LOG = "settings of the log are not offered here (they are over HTTP, at /v2/logging)"
_NO_TRACE = "settings of traces are not offered here (see traces in the documentation of Weft)"
_MISSING = {
    "SystemSharedMemoryRegister": _NO_MEMORY,
    "CudaSharedMemoryRegister": _NO_MEMORY,
    "LogSettings": _NO_LOG,
    "TraceSetting": _NO_TRACE,
}
_NOTHING = tuple(f"{kind}SharedMemory{what}" for kind in ("System", "Cuda") for what in ("Status", "Unregister"))
"""Methods whose answer is true and empty where no memory can be shared: there is none, and none is left."""


class Service:
    """The handlers of one port."""

    def __init__(self, services: Services) -> None:
        self._door = Door(services)
        self._rpcs = Rpcs(services)
        self._streams = Streams(self._door, self._rpcs)

    def handlers(self) -> tuple[Any, ...]:
        """What a gRPC server is to be given."""
        own = {name: self._door.unary(f"/{SERVICE}/{name}", work) for name, work in self._rpcs.all().items()}
        own |= {name: self._door.unary(f"/{SERVICE}/{name}", _nothing) for name in _NOTHING}
        own |= {name: grpc.unary_unary_rpc_method_handler(partial(_missing, text)) for name, text in _MISSING.items()}
        own["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._streams.handle)
        state = health.Health(self._door)
        healthy = {
            "Check": self._door.unary(f"/{health.NAME}/Check", state.check),
            "Watch": grpc.unary_stream_rpc_method_handler(state.watch),
        }
        told = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(reflection.Reflection(self._door).handle)}
        found = {SERVICE: own, health.NAME: healthy, reflection.NAME: told, reflection.OLD_NAME: told}
        return tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in found.items())

    def stop(self) -> None:
        """Streams take no more requests."""
        self._streams.stop()


async def _nothing(call: Call, data: bytes, left_s: float | None) -> bytes:
    call.route = "shared_memory"
    call.caller.require("read", "server")
    return b""


async def _missing(text: str, data: bytes, context: Context) -> None:
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
