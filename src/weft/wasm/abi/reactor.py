"""Weft's own ABI: ``weft_handle() -> i32`` per frame, with host functions for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.wasm import faults
from weft.wasm.abi.base import Abi
from weft.wasm.abi.guest import ResidentGuest
from weft.wasm.instance import Instance, TimeLimit
from weft.wasm.program import Program


class Reactor(Abi):
    """``_initialize`` and ``weft_init`` once, then ``weft_handle`` for every frame."""

    name = "reactor"
    summary = "weft_handle() per frame"
    priority = 30
    needs: ClassVar[dict[str, str]] = {"weft_handle": "() -> (i32)"}
    may_have: ClassVar[dict[str, str]] = {"_initialize": "() -> ()", "weft_init": "() -> (i32)"}

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> ReactorGuest:
        """Instantiate and initialise."""
        return ReactorGuest(Instance(program))


class ReactorGuest(ResidentGuest):
    """A started reactor."""

    def prepare(self) -> None:
        """``_initialize`` and ``weft_init``, where they are there."""
        exports = self.instance.program.functions
        if "_initialize" in exports:
            self.instance.call("_initialize", "start")
        if "weft_init" in exports:
            self._checked("weft_init", "start")

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One call of ``weft_handle``. Raises GuestError."""
        self.instance.begin(frame)
        self._checked("weft_handle", "time")
        return self.instance.emitted.frames

    def _checked(self, function: str, limit: TimeLimit) -> None:
        if code := self.instance.call(function, limit):
            raise faults.refused(self.instance, function, code)
