"""The three things a pipeline joins: sources, handlers (functions) and sinks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

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


class Handler(Protocol):
    """A function ready to take frames: one instance, used by one thread at a time."""

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """What the function emits for one frame, ``stream`` set ("" is the function's default output).

        Raises GuestError when the function failed on this frame; the handler stays usable.
        """

    def close(self) -> None:
        """Release the instance."""


class Sink(Protocol):
    """Where frames leave."""

    def write(self, frame: Frame) -> None:
        """Take one frame. Raises OutputError when it cannot be written."""

    def close(self) -> None:
        """Finish and flush."""
