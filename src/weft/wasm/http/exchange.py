"""An exchange: a request on its way through the relay, and its response."""

from __future__ import annotations

import secrets
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from weft.core.hosts import Target

LOOK_EVERY_S = 0.05
"""How often an exchange asks whether it is over."""

SECRET_BYTES = 16


@dataclass(eq=False, slots=True)
class Exchange:
    """A request on its way, and its response.

    Attributes:
        target: where it goes.
        authority: the same for the server, as the header ``Host`` has it.
        until: when it must be over (``time.monotonic``).
        over: asked now and then; true ends it.
        received: told how many bytes came; false ends it.
        secret: what its path begins with, on the way to the relay.
    """

    target: Target
    authority: str
    until: float
    over: Callable[[], bool]
    received: Callable[[int], bool]
    secret: str = field(default_factory=lambda: secrets.token_hex(SECRET_BYTES), repr=False)
    ended: bool = False
    reader: StreamReader | None = None
    writer: StreamWriter | None = None

    @property
    def done(self) -> bool:
        """True when it must not go on."""
        return self.ended or monotonic() >= self.until or self.over()
