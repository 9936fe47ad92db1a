"""A file played at its own pace, as a camera would give it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.core.protocols import Source


class Paced:
    """Gives the frames of a source no sooner than their times say, counted from the first.

    Args:
        source: what is played; it is closed with this.
    """

    def __init__(self, source: Source) -> None:
        self.live = source.live
        self.length = source.length
        self._source = source
        self._closed = Event()

    def frames(self) -> Iterator[Frame]:
        """The frames. Raises as the source does."""
        began = monotonic()
        first: int | None = None
        for frame in self._source.frames():
            first = frame.time_ns if first is None else first
            wait = began + (frame.time_ns - first) / 1e9 - monotonic()
            if self._closed.wait(wait) if wait > 0 else self._closed.is_set():
                return
            yield frame

    def close(self) -> None:
        """End ``frames`` at once; from any thread."""
        self._closed.set()
        self._source.close()
