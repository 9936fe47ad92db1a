"""What every face of a server draws on, and the rules that hold for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from weft.core.errors import BusyError
from weft.core.units import format_size
from weft.serve.caller import Access, OpenAccess
from weft.serve.models.service import Models
from weft.serve.settings import ServerSettings

if TYPE_CHECKING:
    from weft.serve.call import Call


class Part(Protocol):
    """What has to be ready, beside the models, before the server is."""

    @property
    def ready(self) -> bool:
        """Whether it is."""


Observer = Callable[["Call"], object]
"""Told of every HTTP request once its answer is sent: quick, and never raises."""


class Room:
    """How many bytes of bodies may be in memory at the same time. For the event loop's thread only."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0

    def take(self, size: int) -> None:
        """Count some bytes. BusyError where there is no room for them."""
        if self.used + size > self.most:
            what = f"requests in work hold {format_size(self.used)}, and {format_size(size)} more are too many"
            raise BusyError(what, cure="ask again later")
        self.used += size

    def give_back(self, size: int) -> None:
        """The bytes are not needed any more."""
        self.used -= size


@dataclass(slots=True, eq=False)
class Services:
    """One per server; made before it starts, shared by all faces and protocols.

    Attributes:
        models: the models that are served.
        settings: how the server listens, and its limits.
        access: lets callers in.
        observers: who is told of every finished HTTP request: access log, metrics.
        counts: what went wrong on the way, by name: ``body_too_large``, ``body_stalled``, ``client_gone`` …
        room: bytes of bodies.
        parts: what faces have that must be ready, too.
        stopping: True once the server takes nothing more.
    """

    models: Models
    settings: ServerSettings = field(default_factory=ServerSettings)
    access: Access = field(default_factory=OpenAccess)
    observers: list[Observer] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    room: Room = field(init=False)
    parts: list[Part] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.room = Room(self.settings.max_bodies)

    @property
    def ready(self) -> bool:
        """Whether every model and every part is ready, and the server goes on."""
        return self.models.ready and not self.stopping and all(part.ready for part in self.parts)
