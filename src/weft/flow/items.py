"""What travels through queues: a frame with where it came from and when it entered."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core.frame import Frame


@dataclass(frozen=True, slots=True)
class Origin:
    """The source a frame, or what was made of it, came from. Only what is ``live`` may ever be dropped."""

    name: str
    live: bool


@dataclass(slots=True)
class Item:
    """A frame on its way. ``entered`` is when its source gave it, in seconds of the monotonic clock."""

    frame: Frame
    origin: Origin
    entered: float
