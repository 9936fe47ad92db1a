"""Where a classifier's document and its model do not go together: mistakes in the document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from weft.core.model import Port
from weft.core.suggest import did_you_mean

if TYPE_CHECKING:
    from weft.spec.document import Mistake

T = TypeVar("T")


class Wrong(Exception):
    """Why a document and its model do not go together: a mistake in the document."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


class Mistakes:
    """Mistakes met one after the other: what does not depend on a failed step is still looked at."""

    def __init__(self) -> None:
        self.found: list[Mistake] = []

    def attempt(self, step: Callable[[], T]) -> T | None:
        """What the step gives; None where it raises Wrong, which is noted."""
        try:
            return step()
        except Wrong as wrong:
            self.found += wrong.mistakes
        return None

    def check(self) -> None:
        """Raise Wrong if there were any."""
        if self.found:
            raise Wrong(*self.found)


def choose_port(ports: Sequence[Port], name: str | None, kind: str) -> Port:
    """The input or output that is named, or the only one. Raises Wrong, naming those there are."""
    listed = "; ".join(map(str, ports))
    if name is None:
        if len(ports) == 1:
            return ports[0]
        raise Wrong(((kind, "name"), f"is missing: the model has {len(ports)} {kind}s", f"one of {listed}"))
    for port in ports:
        if port.name == name:
            return port
    hint = did_you_mean(name, [port.name for port in ports])
    raise Wrong(((kind, "name"), f"the model has no {kind} '{name}'", hint or f"it has {listed}"))
