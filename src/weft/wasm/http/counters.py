"""What is counted of the HTTP requests of a function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class HttpCounters:
    """What became of the requests of one handler's instances.

    Attributes:
        http_requests: those that were sent.
        http_denied: those that were refused: their host was not granted, or is at an address that was not.
        http_failed: those that could not be sent for another reason: nobody there, no certificate, no time.
        http_received: bytes of responses.
    """

    http_requests: int = 0
    http_denied: int = 0
    http_failed: int = 0
    http_received: int = 0

    @property
    def made(self) -> bool:
        """Whether there was any request."""
        return bool(self.http_requests or self.http_denied or self.http_failed)
