"""The options of ``weft serve`` about gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.serve.grpc.face import GrpcInference


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GrpcPort:
    """Whether and where models are served over gRPC."""

    grpc_port: int | None = None
    """Serve models over gRPC, too, at this port; 8001 is the usual one, 0 takes a free one. Needs weft[grpc]."""
    grpc_calls: int | None = None
    """Calls over gRPC at the same time; 1000 by default. More are refused."""

    def faces(self) -> Sequence[GrpcInference]:
        """The gRPC face, or none. Raises UsageError."""
        from weft.serve.grpc.face import GrpcInference
        from weft.serve.grpc.settings import GrpcSettings

        if self.grpc_port is None:
            if self.grpc_calls is not None:
                raise UsageError("--grpc-calls without --grpc-port", cure="add --grpc-port 8001")
            return []
        if self.grpc_calls is None:
            return [GrpcInference(GrpcSettings(self.grpc_port))]
        return [GrpcInference(GrpcSettings(self.grpc_port, self.grpc_calls))]
