"""What travels through queues: a frame with where it came from and when it entered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weft.core.frame import Frame


class Receipt:
    """Tells a source when all that follows from one of its frames is done.

    Everything that is made of the frame carries it, so all is done when nobody has it any more. What is given up on
    the way is not done: whoever gives it up says so first.
    """

    __slots__ = ("_done",)

    def __init__(self, done: Callable[[], object]) -> None:
        self._done: Callable[[], object] | None = done

    def void(self) -> None:
        """Not everything was done, and never will be: tell nobody."""
        self._done = None

    def __del__(self) -> None:
        if self._done is not None:
            self._done()


@dataclass(frozen=True, slots=True)
class Origin:
    """The source a frame, or what was made of it, came from. Only what is ``live`` may ever be dropped."""

    name: str
    live: bool


@dataclass(slots=True)
class Item:
    """A frame on its way.

    Attributes:
        entered: when its source gave it, in seconds of the monotonic clock.
        receipt: what its source is told by, where it wants to know.
    """

    frame: Frame
    origin: Origin
    entered: float
    receipt: Receipt | None = None

    def abandon(self) -> None:
        """It is given up."""
        if self.receipt is not None:
            self.receipt.void()
