"""How the gRPC port listens, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """What is not said by the server's own settings, which hold here, too: host, bodies, connections, drain.

    Attributes:
        port: 0 takes a free one.
        max_calls: calls at the same time, streams among them, over all connections. Beyond that: RESOURCE_EXHAUSTED.
    """

    port: int = 8001
    max_calls: int = 1000

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UsageError(f"gRPC port {self.port}", cure="give a number from 0 to 65535; 0 takes a free port")
        if self.max_calls < 1:
            raise UsageError(f"max_calls is {self.max_calls}", cure="give at least 1")
