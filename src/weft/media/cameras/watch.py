"""The states of a camera, or a server. No process, no clock, no camera: it is told what happened, and says what to do.

::

              ┌───────────────── tick ────────────────┐
    idle ─ tick ─→ connecting ─ picture ─→ live        │
                       │  │                │  │        │
                       │  └── too long ──┐ │  │        │
                       │                 ↓ ↓  │        │
                      gone             stalled│        │
                       │                  │   │        │
                       └──────→ backing off ←─┘ gone ──┘

From everywhere ``end`` and, where retries are bounded, the last ``gone`` lead to ``ended``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from weft.core.errors import UnavailableError, WeftError
from weft.core.units import format_duration
from weft.media.cameras.counters import CameraCounters
from weft.media.cameras.retry import Retry


class State(StrEnum):
    """What a camera is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    BACKING_OFF = "backing off"
    ENDED = "ended"


class Order(Enum):
    """What the one who asked is to do now."""

    WAIT = auto()
    START = auto()
    KILL = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds.

    Attributes:
        start: until the first picture of a connection.
        stall: between one picture and the next; ``inf`` where silence is no trouble.
        steady: how long pictures must have come for a connection to have been a good one; None is as ``stall``.
    """

    start: float = 15.0
    stall: float = 5.0
    steady: float | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of one that went silent: ``thing`` did not come; ``first`` is what did not come at the start."""

    thing: str = "picture"
    first: str = "first picture"
    cure: str = "check the camera and the network between"


class Watch:
    """Decides when a camera's decoder is started and killed. At most one runs at a time.

    Attributes:
        state: what the camera is doing.
        trouble: why it is not live; None before the first trouble, and again when it is live.
        deadline: when :meth:`tick` has something to say next, in the caller's seconds; None if never.
        counters: the watch counts connects, reconnects, stalls and failures.
    """

    def __init__(
        self,
        patience: Patience,
        retry: Retry,
        *,
        where: str = "",
        words: Words = Words(),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.state = State.IDLE
        self.trouble: WeftError | None = None
        self.deadline: float | None = None
        self.counters = CameraCounters()
        self._patience = patience
        self._retry = retry
        self._where = where
        self._words = words
        self._chance = chance
        self._in_a_row = 0
        self._was_live = False
        self._live_since = math.inf
        self._last = 0.0

    def tick(self, now: float) -> Order:
        """What to do at this moment; to be asked at the start and whenever ``deadline`` has come."""
        if self.state is State.IDLE:
            return self._connect(now)
        if self.deadline is None or now < self.deadline:
            return Order.WAIT
        return self._connect(now) if self.state is State.BACKING_OFF else self._stall()

    def picture(self, now: float) -> None:
        """A picture came from the decoder that runs."""
        if self.state is State.CONNECTING:
            self.state = State.LIVE
            self.trouble = None
            self.counters.reconnects += self._was_live
            self._was_live = True
            self._live_since = now
        if self.state is State.LIVE:
            self._last = now
            self.deadline = now + self._patience.stall

    def resume(self, now: float) -> None:
        """Somebody waits for pictures again: while nobody did, none could be missed."""
        if self.state is State.LIVE:
            self.deadline = now + self._patience.stall

    def gone(self, now: float, trouble: WeftError, *, pause: float = 0.0) -> Order:
        """The decoder that ran is no more. ``GIVE_UP`` where it was the last try: ``trouble`` is then the error.

        ``pause`` is how many seconds to wait at least.
        """
        if self.state is not State.STALLED:
            self.trouble = trouble
        if self._steady():
            self._in_a_row = 0
        self._in_a_row += 1
        self.counters.failures += 1
        if self._retry.exhausted(self._in_a_row):
            self.end()
            return Order.GIVE_UP
        self.state = State.BACKING_OFF
        self.deadline = now + max(pause, self._retry.delay(self._in_a_row, self._chance()))
        return Order.WAIT

    def end(self) -> None:
        """Nobody wants more, or there is no more."""
        self.state = State.ENDED
        self.deadline = None

    def _steady(self) -> bool:
        """Whether pictures came for a while: who shows one and dies again is waited for longer each time."""
        steady = self._patience.stall if self._patience.steady is None else self._patience.steady
        return self._last - self._live_since >= steady

    def _connect(self, now: float) -> Order:
        self.state = State.CONNECTING
        self.deadline = now + self._patience.start
        self._live_since = math.inf
        self._last = 0.0
        self.counters.connects += 1
        return Order.START

    def _stall(self) -> Order:
        """Too long without a picture. What comes next is :meth:`gone`, however long the dying takes."""
        connecting = self.state is State.CONNECTING
        waited = self._patience.start if connecting else self._patience.stall
        what = f"no {self._words.first if connecting else self._words.thing} came for {format_duration(waited)}"
        self.trouble = UnavailableError(what, where=self._where, cure=self._words.cure)
        self.state = State.STALLED
        self.deadline = None
        self.counters.stalls += 1
        return Order.KILL


class Watched:
    """What a source tells of its watch: the part that all have that may lose what they take from."""

    _watch: Watch

    @property
    def state(self) -> str:
        """What it is doing: a :class:`State`, as text."""
        return self._watch.state.value

    @property
    def trouble(self) -> str:
        """Why it is not live; empty while there is nothing to complain of."""
        trouble = self._watch.trouble
        return "" if trouble is None else trouble.what
