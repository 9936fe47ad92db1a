"""What the threads of a session post to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core.errors import WeftError
from weft.toolchains.compiling import Built

if TYPE_CHECKING:
    from weft.flow.executor import Run
    from weft.flow.swap import State, Swap
    from weft.spec.pipeline import PipelineSpec


@dataclass(frozen=True, slots=True)
class Saved:
    """Something happened to these paths."""

    paths: frozenset[Path]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of building a folder, and when (monotonic seconds): a module, or why there is none."""

    folder: Path
    at: float
    built: Built | None = None
    error: WeftError | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A changed document was looked at; ``error`` is why it cannot be run."""

    spec: PipelineSpec
    error: WeftError | None


@dataclass(frozen=True, slots=True)
class SwapNews:
    """A swap entered a state."""

    swap: Swap
    state: State


@dataclass(frozen=True, slots=True)
class RunReady:
    """All of a run is loaded, and frames come."""

    run: Run


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over."""

    run: Run


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody wants the session to end; ``reason`` is a signal's name."""

    reason: str


Message = Saved | Outcome | Checked | SwapNews | RunReady | RunEnded | Interrupted
