"""One version of a served model: what it is to be, what it is now, and the lane its requests take."""

from __future__ import annotations

from threading import Lock
from typing import Literal

from weft.core.clock import monotonic
from weft.core.errors import BusyError, UnavailableError
from weft.core.model import ModelInfo
from weft.serve.models.counts import Counter
from weft.serve.models.lane import Lane
from weft.serve.models.spec import ModelSpec

State = Literal["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]
UNLOADED = "unloaded"
ASIDE = "put aside for the memory of others; it loads again with the next request"


class Version:
    """One version of a model.

    Attributes:
        name: the model's name.
        number: the version, as text: ``1``.
        spec: what it is to be.
        state: what it is now.
        reason: why it is not ready, or what is to be said besides.
        cure: what makes it ready, where loading it said so.
        lane: where its requests go; None where it is not loaded.
        info: what was loaded last; stays when it is put aside.
        labels: the names of its classes.
        counter: what is counted of it.
        used: monotonic seconds of its last request or load.
        size: bytes it was loaded with, by its files.
        aside: whether it was put aside, to be loaded again by the next request.
        changing: held by whoever loads or unloads it.
    """

    def __init__(self, name: str, number: str, spec: ModelSpec) -> None:
        self.name = name
        self.number = number
        self.spec = spec
        self.state: State = "UNAVAILABLE"
        self.reason = "not loaded yet"
        self.cure = ""
        self.lane: Lane | None = None
        self.info: ModelInfo | None = None
        self.labels: tuple[str, ...] = ()
        self.counter = Counter()
        self.used = monotonic()
        self.size = 0
        self.aside = False
        self.changing = Lock()

    @property
    def ready(self) -> bool:
        """Whether a request would be taken."""
        return self.state == "READY"

    def open_lane(self) -> Lane | None:
        """Where a request goes; None where it must be woken before. Raises UnavailableError where it is not ready."""
        lane = self.lane
        if (lane is None and not self.aside) or not self.ready:
            raise self.unready()
        return lane

    def check_room(self) -> None:
        """Raises BusyError where a request would find the queue full: before any work is done for it."""
        if (lane := self.lane) is not None:
            lane.check_room()

    @property
    def idle(self) -> bool:
        """Whether it is loaded and does nothing."""
        return self.lane is not None and not self.lane.waiting and not self.lane.running

    @property
    def where(self) -> str:
        """How errors call it."""
        return f"{self.name}/{self.number}"

    def unready(self) -> UnavailableError:
        """Why no request is taken."""
        if self.state == "LOADING" or self.ready:  # the second for a moment only: another lane takes its place
            return BusyError(f"model '{self.where}' is loading", cure="ask again in a moment")
        cure = self.cure or "load it, or ask for another"
        return UnavailableError(f"model '{self.where}' is not ready: {self.reason}", cure=cure)

    def described(self) -> ModelInfo:
        """What it is. Raises UnavailableError while that is not known."""
        if self.info is None:
            raise self.unready()
        return self.info
