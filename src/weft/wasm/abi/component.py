"""Components of the world ``weft:function``: ``init`` once, then ``handle`` for every frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.core.text import visible
from weft.wasm import faults
from weft.wasm.abi.base import Abi
from weft.wasm.abi.guest import ResidentGuest
from weft.wasm.instance import Instance, TimeLimit
from weft.wasm.program import Program

MAX_REASON = 4096
"""Characters of a reason; of a longer one the end is kept."""

HANDLE = "func() -> result<_, string>"


class Component(Abi):
    """``handle`` per frame; everything else goes through the interfaces it imports."""

    name = "component"
    summary = "a component's handle() per frame"
    needs: ClassVar[dict[str, str]] = {"handle": HANDLE}
    may_have: ClassVar[dict[str, str]] = {"init": HANDLE}

    @classmethod
    def matches(cls, exports: frozenset[str], imports: frozenset[str]) -> bool:
        """Never for a core module."""
        return False

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> ComponentGuest:
        """Instantiate and initialise."""
        return ComponentGuest(Instance(program))


class ComponentGuest(ResidentGuest):
    """A started component."""

    def prepare(self) -> None:
        """``init``, where it is there."""
        if "init" in self.instance.program.functions:
            self._checked("init", "start")

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One call of ``handle``. Raises GuestFailed with what it returned as its error, GuestError otherwise."""
        self.instance.begin(frame)
        self._checked("handle", "time")
        return self.instance.emitted.frames

    def _checked(self, function: str, limit: TimeLimit) -> None:
        is_ok, said = self.instance.ask(function, limit)
        if not is_ok:
            raise faults.failed(self.instance, function, _plain(said))


def _plain(text: str) -> str:
    """A guest's reason; further lines, of a traceback say, are set in, so that none looks like one of the host's."""
    return "\n  ".join(visible(line) for line in text[-MAX_REASON:].rstrip().splitlines())
