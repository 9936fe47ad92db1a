"""What the host says no with."""

from __future__ import annotations


class HostError(Exception):
    """The host refused a call; the message is its reason.

    Attributes:
        kind: what speaks against it, such as ``invalid``, ``not_found``, ``too_large``, ``denied`` or ``unsupported``.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
