"""Which version of its function each replica of a stage works with, and how that changes between two frames.

The lane marks every frame it gives out with the version that is to handle it. A worker that takes a frame for another
version than the last one changes its handler first; so every frame is handled once, by one version, and in the order
in which frames are taken no old version comes after a new one. Workers wait for nothing here: new handlers are made,
and old ones closed, on the thread of the swap (:mod:`weft.flow.swap`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Literal

from weft.core.clock import monotonic
from weft.core.protocols import Handler
from weft.flow.order import Job, Lane


@dataclass(frozen=True, slots=True)
class First:
    """The first frame a version was given: its sequence, and when, in seconds of the monotonic clock."""

    frame: int
    at: float


@dataclass(frozen=True, slots=True)
class Change:
    """What happened on the way to a version.

    Attributes:
        old: handlers nobody works with any more, to be closed.
        first: the version's first frame, once it had one.
        settled: no replica works with an older version.
    """

    old: list[Handler]
    first: First | None
    settled: bool


def digest_of(handler: Handler) -> str:
    """The digest of a handler's code, where it has one."""
    return str(getattr(handler, "digest", ""))


class Roster:
    """The versions of one stage. Its lock is only taken when they change.

    Attributes:
        stage: the node's name.
        swaps: how often a new version took over.
        digest: of the version at work, where its handler has one.
    """

    def __init__(self, stage: str, lane: Lane, replicas: int) -> None:
        self.stage = stage
        self.swaps = 0
        self.digest = ""
        self._lane = lane
        self._moved = Condition()
        self._at = dict.fromkeys(range(replicas), 0)
        self._made: dict[int, dict[int, Handler]] = {}
        self._first: dict[int, First] = {}
        self._old: list[Handler] = []
        self._numbers = 0
        self._opening: dict[int, Callable[[], None]] = {}

    # --- for the workers ---------------------------------------------------------------

    def join(self, replica: int, handler: Handler) -> Seat:
        """A replica has made its first handler."""
        if not self.swaps:
            self.digest = digest_of(handler)
        return Seat(self, replica, handler)

    def take_over(self, replica: int, job: Job, old: Handler) -> Handler:
        """The handler for ``job`` and those after it; ``old`` is closed by the swap."""
        with self._moved:
            self._old += [old, *self._skipped(replica, job.version)]
            self._at[replica] = job.version
            handler = self._made[job.version].pop(replica)
            if job.version not in self._first:
                self._first[job.version] = First(job.item.frame.sequence, monotonic())
                self.swaps += 1
                self.digest = digest_of(handler)
            self._moved.notify_all()
        return handler

    def leave(self, replica: int) -> None:
        """A replica takes no more frames; with the last one, no version that is not ready will be wanted."""
        with self._moved:
            self._at.pop(replica, None)
            self._old += [made.pop(replica) for made in self._made.values() if replica in made]
            unwanted = [] if self._at else list(self._opening.values())
            self._moved.notify_all()
        for give_up in unwanted:
            give_up()

    def _skipped(self, replica: int, version: int) -> list[Handler]:
        """The handlers of versions that came and went while this replica was busy."""
        return [made.pop(replica) for number, made in self._made.items() if number < version and replica in made]

    # --- for the swaps -----------------------------------------------------------------

    def begin(self, give_up: Callable[[], None]) -> int:
        """The number of one more version. ``give_up`` is called when the stage ends before it is ready."""
        with self._moved:
            self._numbers += 1
            self._opening[self._numbers] = give_up
            return self._numbers

    def replicas(self) -> list[int]:
        """Those that still take frames."""
        with self._moved:
            return list(self._at)

    @property
    def newest(self) -> int:
        """The version that handles the frames taken from now on."""
        return self._lane.version

    def end(self, version: int) -> None:
        """A version that began will not become ready."""
        with self._moved:
            self._opening.pop(version, None)

    def publish(self, version: int, handlers: dict[int, Handler]) -> Literal["ready", "superseded", "unused"]:
        """Have ``version`` handle every frame that is taken from now on.

        Where nobody takes frames any more, or a newer one handles them, the handlers stay the caller's.
        """
        with self._moved:
            self._opening.pop(version, None)
            if not self._at:
                return "unused"
            if version < self._lane.version:
                return "superseded"
            self._old += [handlers.pop(gone) for gone in set(handlers) - set(self._at)]
            self._made[version] = handlers
            self._lane.version = version
            return "ready"

    def next_change(self, version: int) -> Change:
        """Wait until something happened that a swap must know, for the last time when it is settled."""
        with self._moved:
            self._moved.wait_for(lambda: self._old or self._settled(version))
            old, self._old = self._old, []
            change = Change(old, self._first.get(version), self._settled(version))
            if change.settled:
                self._made.pop(version, None)
                self._first.pop(version, None)
            return change

    def _settled(self, version: int) -> bool:
        return all(at >= version for at in self._at.values())


class Seat:
    """The place of one replica: the handler it works with, exchanged when a frame for another version comes.

    Attributes:
        handler: the replica's thread uses it; any may stop it.
        version: the handler's.
    """

    __slots__ = ("_replica", "_roster", "handler", "version")

    def __init__(self, roster: Roster, replica: int, handler: Handler) -> None:
        self.handler = handler
        self.version = 0
        self._roster = roster
        self._replica = replica

    def change(self, job: Job) -> None:
        """Work with the version that is to handle ``job``."""
        self.handler = self._roster.take_over(self._replica, job, self.handler)
        self.version = job.version

    def close(self) -> None:
        """Close the handler, on the replica's thread."""
        self.handler.close()
