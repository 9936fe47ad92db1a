"""How often models were run, and how long that took: counted per model, and told to whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

Told = Callable[[str, float], object]
"""Takes a model's name and the seconds of an inference that has just ended, on the thread that made it."""


@dataclass(slots=True)
class Watch:
    """Who is told of every inference of a process, if anybody is."""

    tell: Told | None = None


class Usage:
    """Counts the inferences of one model; from many threads."""

    __slots__ = ("_count", "_lock", "_name", "_seconds", "_watch")

    def __init__(self, name: str, watch: Watch) -> None:
        self._name = name
        self._watch = watch
        self._lock = Lock()
        self._count = 0
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """One inference has ended."""
        with self._lock:
            self._count += 1
            self._seconds += seconds
        if (tell := self._watch.tell) is not None:
            tell(self._name, seconds)

    def read(self) -> tuple[int, float]:
        """How many there were, and their seconds added up."""
        with self._lock:
            return self._count, self._seconds
