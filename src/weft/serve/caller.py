"""Who asks, and what they may do. Everything that serves takes a ``Caller``, whatever protocol it came by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from weft.core.errors import DeniedError

Action = Literal["infer", "read", "manage"]
"""``infer``: use a model or function. ``read``: its metadata and statistics. ``manage``: load, unload, settings."""

Kind = Literal["model", "function", "server", "metrics"]

OPEN_PATHS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/docs",
        "/openapi.json",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
        "/grpc.health.v1.Health/Check",
    }
)
"""What everybody may ask, with or without a key: HTTP paths and gRPC methods. None of it tells what is served."""


class Rights(Protocol):
    """What one caller may do."""

    def allows(self, action: Action, kind: Kind, name: str) -> bool:
        """Whether the caller may do it; ``name`` is empty for the server itself. Called often: no waiting in it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: for the access log and the rate limits; never a secret.
        rights: what the caller may do.
    """

    name: str
    rights: Rights

    def require(self, action: Action, kind: Kind, name: str = "") -> None:
        """DeniedError where the caller may not do it."""
        if not self.rights.allows(action, kind, name):
            target = f"{kind} '{name}'" if name else kind
            right = f"{action}: [{kind}/{name}]" if name else f"{action}: [{kind}]"
            what = f"'{self.name}' may not {action} {target}"
            raise DeniedError(what, cure=f"ask who runs this server for the right {right}")

    def may(self, action: Action, kind: Kind, name: str = "") -> bool:
        """Whether the caller may do it."""
        return self.rights.allows(action, kind, name)


class NoRight:
    """Nothing is allowed."""

    def allows(self, action: Action, kind: Kind, name: str) -> bool:
        """False."""
        return False


class EveryRight:
    """All is allowed."""

    def allows(self, action: Action, kind: Kind, name: str) -> bool:
        """True."""
        return True


ANYONE = Caller("anyone", EveryRight())
"""Whoever asks a server that has no access rules."""

ITSELF = Caller("weft", EveryRight())
"""This process: pipelines, start-up, the command line."""

NOBODY = Caller("-", NoRight())
"""Whoever is not known, or looks at a page that is open to all."""


class Access(Protocol):
    """Lets callers in: ``identify``, then ``admit``. One object serves every protocol."""

    async def identify(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        """The caller of a request. Raises IdentityError.

        Args:
            headers: HTTP headers or gRPC metadata, names in lower case.
            peer: the address it comes from, without its port.
            path: of HTTP, or gRPC's method as ``/package.Service/Method``; those of ``OPEN_PATHS`` need no key.
        """

    def admit(self, caller: Caller) -> None:
        """Count a request of this caller. Raises RateLimitError when it asks too often."""


class OpenAccess:
    """No rules: everybody is ``ANYONE``, and may ask as often as they like."""

    async def identify(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        """``ANYONE``."""
        return ANYONE

    def admit(self, caller: Caller) -> None:
        """Nothing is counted."""
