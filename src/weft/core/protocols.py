"""The three things a pipeline joins: sources, handlers (functions) and sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from weft.core.frame import Frame


class Source(Protocol):
    """Where frames enter."""

    @property
    def live(self) -> bool:
        """True for a camera: its frames may be dropped. False for files: theirs never are."""

    @property
    def length(self) -> int | None:
        """How many frames will come, where that is known; for progress only."""

    def frames(self) -> Iterator[Frame]:
        """The frames, ``sequence`` counting from 0, ``stream`` left empty (the pipeline names it).

        Raises MediaError or NotFoundError when the input cannot be read.
        """

    def close(self) -> None:
        """Release the device or file; may be called from another thread to end ``frames`` early."""


@runtime_checkable
class WatchedSource(Source, Protocol):
    """A source that is not always there, such as a camera, and says how it is. Both may be read on any thread."""

    @property
    def state(self) -> str:
        """What it is doing: ``connecting``, ``live``, ``stalled``, ``backing off`` …"""

    @property
    def trouble(self) -> str:
        """Why it gives no frames, without anything secret; empty while it does."""


class Handler(Protocol):
    """A function ready to take frames: one instance, used by one thread at a time."""

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What the function emits for one frame, ``stream`` set ("" is the function's default output).

        Raises GuestError when the function failed on this frame; the handler stays usable.
        """

    def close(self) -> None:
        """Release the instance."""


@runtime_checkable
class StartedHandler(Handler, Protocol):
    """A handler that can be made ready before its first frame."""

    def start(self) -> None:
        """Start the instance now. Raises GuestError."""


@runtime_checkable
class StoppableHandler(Handler, Protocol):
    """A handler that need not be waited for when its pipeline is aborted."""

    def stop(self) -> None:
        """Make ``start`` and ``handle`` end at once with a GuestError, now and from now on.

        Called from another thread than theirs; returns at once. ``close`` still follows, on the handler's thread.
        """


@dataclass(frozen=True, slots=True)
class Terminal:
    """The process's own streams, for a function that runs in the foreground.

    Attributes:
        inherit_stdin: the guest reads the process's standard input itself.
        out: takes standard output as it comes.
        err: takes standard error as it comes.
    """

    inherit_stdin: bool
    out: Callable[[bytes], object]
    err: Callable[[bytes], object]


class Function(Protocol):
    """A function ready to be instantiated, any number of times and on any thread, whatever it is written in."""

    @property
    def name(self) -> str:
        """Its name in errors and logs."""

    @property
    def time_limit(self) -> float:
        """Seconds it has for a frame; ``inf`` for no limit."""

    @property
    def uses_terminal(self) -> bool:
        """True for a command, which in the foreground prints to the process's own streams."""

    @property
    def takes_frame(self) -> bool:
        """False for a command that only reads its standard input."""

    def instance(self, terminal: Terminal | None = None) -> StartedHandler:
        """A handler with an instance of its own, for one thread at a time."""


class Sink(Protocol):
    """Where frames leave."""

    def write(self, frame: Frame) -> None:
        """Take one frame. Raises OutputError when it cannot be written."""

    def close(self) -> None:
        """Finish and flush."""
