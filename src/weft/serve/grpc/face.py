"""The gRPC port of a server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from weft.core.errors import UnavailableError
from weft.serve.app import Face
from weft.serve.grpc.settings import GrpcSettings
from weft.serve.server import listen
from weft.serve.services import Services

if TYPE_CHECKING:
    from weft.serve.grpc.service import Service

INSTALL = "pip install 'weft[grpc]'"


class GrpcInference(Face):
    """The face of the Open Inference Protocol over gRPC.

    Attributes:
        address: host and port, once it listens.
        target: the same as text, ``grpc://127.0.0.1:8001``.
    """

    name = "grpc"

    def __init__(self, settings: GrpcSettings = GrpcSettings()) -> None:
        self.settings = settings
        self.address = ("", 0)
        self._server: Any = None
        self._service: Service | None = None

    async def start(self, services: Services) -> None:
        """Listen. Raises UnavailableError where the packages are missing, or the address cannot be had."""
        try:
            import grpc

            from weft.serve.grpc.service import Service
        except ModuleNotFoundError as error:
            raise UnavailableError(f"gRPC needs the package {error.name}", cure=INSTALL) from error
        host = services.settings.host
        shown = f"[{host}]:{self.settings.port}" if ":" in host else f"{host}:{self.settings.port}"
        self._server = grpc.aio.server(
            options=_options(services, self.settings), maximum_concurrent_rpcs=self.settings.max_calls
        )
        self._service = Service(services)
        self._server.add_generic_rpc_handlers(self._service.handlers())
        try:
            self.address = (host, self._open(services, shown))
            self.target = f"grpc://[{host}]:{self.address[1]}" if ":" in host else f"grpc://{host}:{self.address[1]}"
        except RuntimeError as error:
            cure = "name another port, or 0 for any that is free"
            raise UnavailableError("cannot listen there", where=shown, cure=cure) from error
        await self._server.start()

    def _open(self, services: Services, shown: str) -> int:
        """Take the port, with the server's certificate where it has one. Raises what it can, RuntimeError among it."""
        import grpc

        if self.settings.port:  # grpc says why it cannot to nobody but the terminal
            listen(services.settings.host, self.settings.port).close()
        if services.settings.tls is None:
            return int(self._server.add_insecure_port(shown))
        return int(self._server.add_secure_port(shown, grpc.ssl_server_credentials([services.settings.tls.pem()])))

    async def stop(self, services: Services, drain_s: float) -> None:
        """Take nothing more, and finish within ``drain_s`` what was taken."""
        if self._service is not None:
            self._service.stop()
        await self._server.stop(drain_s)


def _options(services: Services, own: GrpcSettings) -> list[tuple[str, int]]:
    settings = services.settings
    found = {
        "grpc.max_receive_message_length": min(settings.max_body, 2**31 - 1),
        "grpc.max_send_message_length": -1,
        "grpc.max_concurrent_streams": own.max_calls,
        "grpc.max_allowed_incoming_connections": settings.max_connections,
        "grpc.max_metadata_size": settings.max_header,
        "grpc.absolute_max_metadata_size": settings.max_header,
        "grpc.so_reuseport": 0,  # else two servers share a port, and clients get one or the other
    }
    for name, seconds in (
        ("grpc.max_connection_idle_ms", settings.idle_timeout_s),
        ("grpc.server_handshake_timeout_ms", settings.header_timeout_s),
    ):
        if not math.isinf(seconds):
            found[name] = max(1, int(seconds * 1000))
    return list(found.items())
