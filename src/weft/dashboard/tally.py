"""What came of each stream: how much, and how long ago. Written by the thread that reads, read by the server's."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from weft.core.clock import monotonic
from weft.core.errors import MediaError
from weft.core.frame import Frame

Kind = Literal["picture", "note"]

MAX_STREAMS = 64
"""Streams on one page; more are left out, and that is told."""

MAX_KEPT = 256 * 2**20
"""Bytes of last frames, of all streams together, for those who come later."""

MAX_DIGITS = 12
SHORTEST_S = 0.8

RECONNECTS = "reconnects"
"""The header in which a camera's frames count how often it came back."""


@dataclass(slots=True)
class Tally:
    """Counts one stream.

    Attributes:
        kind: how it is shown.
        last: its last frame, for those who come later; None where that would be too much to keep.
        newest: source and sequence of its last frame.
        last_at: when that came, in seconds of the monotonic clock.
        frames: that came.
        damaged: pictures among them that cannot be shown.
        reason: why the last of those could not.
        bad: the last frame is one of them.
        fps: frames a second, as last measured.
    """

    kind: Kind
    last_at: float
    last: Frame | None = None
    newest: tuple[str, int] = ("", -1)
    reconnects: str = ""
    frames: int = 0
    damaged: int = 0
    reason: str = ""
    bad: bool = False
    fps: float = 0.0
    _measured: tuple[float, int] = field(default_factory=lambda: (monotonic(), 0))

    def count(self, frame: Frame, kind: Kind, *, keep: bool) -> None:
        """A frame came."""
        self.kind, self.last, self.last_at = kind, frame if keep else None, monotonic()
        self.newest = (frame.source, frame.sequence)
        self.reconnects = frame.headers.get(RECONNECTS, "")[:MAX_DIGITS]
        self.frames += 1
        self.bad = False

    def spoilt(self, frame: Frame, error: MediaError) -> None:
        """A picture cannot be shown."""
        self.damaged += 1
        self.reason = error.what
        self.bad = (frame.source, frame.sequence) == self.newest

    def measure(self) -> None:
        """Set the frames a second, since the last measurement; none is taken over less than ``SHORTEST_S``."""
        (then, frames), now = self._measured, monotonic()
        if now - then >= SHORTEST_S:
            self.fps = round((self.frames - frames) / (now - then), 2)
            self._measured = (now, self.frames)

    def record(self) -> dict[str, object]:
        """What a page is told of it."""
        return {
            "kind": self.kind,
            "frames": self.frames,
            "fps": self.fps,
            "silent_s": round(monotonic() - self.last_at, 3),
            "damaged": self.damaged,
            "bad": self.bad,
            "reason": self.reason,
            "reconnects": self.reconnects,
        }


class Tallies:
    """Those of all streams, in the order in which they came.

    Attributes:
        left_out: frames of streams that were too many.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._lock = Lock()
        self._all: dict[str, Tally] = {}
        self._kept = 0

    def count(self, frame: Frame, kind: Kind) -> Tally | None:
        """A frame came. None where its stream is one too many."""
        tally = self._all.get(frame.stream)
        if tally is None:
            if len(self._all) >= MAX_STREAMS:
                self.left_out += 1
                return None
            tally = Tally(kind, monotonic())
            with self._lock:
                self._all[frame.stream] = tally
        before = 0 if tally.last is None else tally.last.size
        keep = self._kept - before + frame.size <= MAX_KEPT
        self._kept += (frame.size if keep else 0) - before
        tally.count(frame, kind, keep=keep)
        return tally

    def of(self, stream: str) -> Tally:
        """One stream's; it must have come."""
        return self._all[stream]

    def all(self) -> dict[str, Tally]:
        """By stream, as they are now; on any thread."""
        with self._lock:
            return dict(self._all)
