"""What happens while a pipeline is developed, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from weft.core.errors import WeftError

if TYPE_CHECKING:
    from weft.flow.summary import Summary


@dataclass(frozen=True, slots=True)
class Event:
    """Base: ``record`` is the event as plain data, ``event`` being its name."""

    def record(self) -> Mapping[str, Any]:
        """Plain data for JSON; seconds as ``…_ms``."""
        name = type(self).__name__
        out: dict[str, Any] = {"event": "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")}
        for field in fields(self):
            out |= _plain(field.name, getattr(self, field.name))
        return out


def _plain(name: str, value: object) -> Mapping[str, Any]:
    if isinstance(value, WeftError):
        return value.record()
    if name.endswith("seconds") and isinstance(value, float):
        return {f"{name.removesuffix('seconds')}ms".lstrip("_"): round(value * 1e3, 3)}
    if isinstance(value, tuple):
        return {name: list(value)}
    return {name: value}


@dataclass(frozen=True, slots=True)
class Changed(Event):
    """Files were saved that something is made from."""

    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Built(Event):
    """A function was compiled; ``same`` when that gave the module that is at work already."""

    function: str
    compiler: str
    seconds: float
    messages: str
    same: bool


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The pipeline is loaded and runs, from its beginning."""

    pipeline: str


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """A new version was loaded and started, ``seconds`` after its files were there; the next frame is its first."""

    function: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Swapped(Event):
    """A new version got its first frame, ``seconds`` after its files were there."""

    function: str
    frame: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """Something does not work and is left out: a function that does not compile or start, a document with mistakes.

    What ran before goes on.
    """

    subject: str
    error: WeftError


@dataclass(frozen=True, slots=True)
class Restarting(Event):
    """The document asks for other sources, sinks or streams: the pipeline drains and begins anew."""

    pipeline: str


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The pipeline came to an end of its own."""

    summary: Summary

    def record(self) -> Mapping[str, Any]:
        """The summary as plain data."""
        return {"event": "ended", **self.summary.to_dict()}


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """There is nothing to do until a file changes. ``running`` tells whether frames still come."""

    running: bool
