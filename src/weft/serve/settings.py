"""How a server listens, and how much it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.serve.tls import Tls

MIB = 2**20


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """All limits are on by default; reaching one answers that request or ends that connection, never the server.

    Attributes:
        host: where it listens.
        port: 0 takes a free one.
        max_body: bytes of one request's body, also once it is unpacked. Beyond that: 413.
        max_bodies: bytes of all bodies that are being read or worked on. Beyond that: 503 with Retry-After.
        max_header: bytes of one request's line and headers. Beyond that: 431, and the connection ends.
        max_connections: open at the same time. One more is answered 503 and ended.
        header_timeout_s: from connecting, or from the last answer's end with something sent, to whole headers.
        silence_timeout_s: a body that has begun may pause this long. Then: 408.
        body_timeout_s: a whole body. Then: 408.
        idle_timeout_s: a connection may stay open this long without a request.
        write_timeout_s: a client may leave an answer unread this long. Then its connection ends.
        drain_s: what was taken has this long to finish when the server is stopped.
        access_log: a line for every request.
        tls: the certificate and key it listens with; None for plain connections.
        cors_origins: whose pages in browsers may ask, such as ``https://page.example``; ``*`` for all; none by default.
    """

    host: str = "127.0.0.1"
    port: int = 8078
    max_body: int = 256 * MIB
    max_bodies: int = 1024 * MIB
    max_header: int = 64 * 1024
    max_connections: int = 1000
    header_timeout_s: float = 10.0
    silence_timeout_s: float = 20.0
    body_timeout_s: float = 300.0
    idle_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    drain_s: float = 30.0
    access_log: bool = False
    tls: Tls | None = None
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_body", "max_bodies", "max_header", "max_connections"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}", cure="give at least 1")
        for name in self.__slots__:
            if name.endswith("_s") and not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)}", cure="give seconds above 0, or inf for none")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port {self.port}", cure="give a number from 0 to 65535; 0 takes a free port")
