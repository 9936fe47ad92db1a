"""What lanes work on: requests as jobs, how a lane is to work, and what it has to do at the moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from weft.core.errors import WeftError
from weft.core.tensor import Tensor
from weft.serve.models.batch import Shapes

Outputs = dict[str, Tensor]
Done = Callable[[Outputs | WeftError], object]
"""Takes a request's outputs or its error, once, on whatever thread made them; must not raise or wait."""


class RetiredError(Exception):
    """The lane takes nothing more: another one has its place. For whoever submits, never for callers."""


@dataclass(slots=True, eq=False)
class Job:
    """One request in a lane.

    Attributes:
        inputs: by name, already checked.
        wanted: names of the outputs, None for all.
        done: who is told.
        arrived: monotonic nanoseconds.
        overdue: monotonic nanoseconds after which nobody waits for it any more; 0 for never.
        rows: of the batch dimension; 0 where it cannot be joined to others.
        shapes: what must be the same to be joined.
        left: whether its caller was told something else, or went away, while it ran: it counts as that alone.
        ended: whether it was counted as done.
    """

    inputs: Mapping[str, Tensor]
    wanted: tuple[str, ...] | None
    done: Done
    arrived: int
    overdue: int = 0
    rows: int = 0
    shapes: Shapes = ()
    left: bool = False
    ended: bool = False

    def joins(self, other: Job) -> bool:
        """Whether both can go into one batch."""
        return bool(other.rows) and other.shapes == self.shapes and other.wanted == self.wanted


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """How a lane works; see :class:`weft.serve.models.spec.ModelSpec`."""

    instances: int
    queue: int
    max_batch: int = 1
    batch_window_s: float = 0.0
    quick: bool = False


@dataclass(slots=True)
class Load:
    """What a lane has to do; read and changed with the lane's lock held."""

    waiting: deque[Job] = field(default_factory=deque)
    busy: int = 0  # threads
    running: int = 0  # requests
    gathering: int = 0  # threads that wait for more to join their batch
    typical_s: float = 0.0
    slow: int = 0  # requests to come that are not run by their callers, after one took long there
    closed: bool = False
