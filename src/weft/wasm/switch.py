"""The switch that ends a handler's guest, whatever it is doing."""

from __future__ import annotations

from weft.core.errors import GuestError
from weft.wasm.engine import engine


class Switch:
    """Turned once, from any thread: the handler's instances end at their next look at the host, and none starts.

    Attributes:
        reason: what is raised from the call that runs; None until the switch is turned.
    """

    __slots__ = ("reason",)

    def __init__(self) -> None:
        self.reason: GuestError | None = None

    def turn(self, where: str) -> None:
        """End what runs; returns at once."""
        self.reason = self.reason or GuestError("was stopped with its pipeline", where=where)
        engine().watchdog.interrupt()
