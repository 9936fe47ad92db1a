"""YoMo's functions: ``yomo_handler`` per frame, tags in and out through ``env``. See :mod:`weft.wasm.host.env_yomo`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar

from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.wasm import faults
from weft.wasm.abi.base import Abi
from weft.wasm.abi.guest import ResidentGuest, start_runtime
from weft.wasm.host.env_yomo import YomoHost, tag_stream
from weft.wasm.instance import Instance
from weft.wasm.program import Program

_PREPARE = ("yomo_observe_datatags", "yomo_wanted_target")


class Yomo(Abi):
    """The runtime's start, then what it wants, then ``yomo_init``, once; ``yomo_handler`` for every frame."""

    name = "yomo"
    summary = "YoMo's yomo_handler per frame, tags in and out"
    priority = 40
    needs: ClassVar[dict[str, str]] = {"yomo_handler": "() -> () | (i32) -> ()"}
    may_have: ClassVar[dict[str, str]] = {
        "_initialize": "() -> ()",
        "_start": "() -> ()",
        "yomo_init": "() -> () | () -> (i32)",
        **dict.fromkeys(_PREPARE, "() -> ()"),
    }

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> YomoGuest:
        """Instantiate and prepare."""
        return YomoGuest(Instance(program))


class YomoGuest(ResidentGuest):
    """A started function. In the first generation its handler is told the payload's length."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._told_length = instance.program.functions["yomo_handler"] == "(i32) -> ()"
        self._host = instance.host(YomoHost)
        if observed := self._host.observed:
            instance.log.line(logging.INFO, f"observes {', '.join(map(tag_stream, observed))}")

    def prepare(self) -> None:
        """The runtime's start, what the function wants, and ``yomo_init``."""
        start_runtime(self.instance)
        exports = self.instance.program.functions
        for name in _PREPARE:
            if name in exports:
                self.instance.call(name, "start")
        if "yomo_init" in exports and (code := self.instance.call("yomo_init", "start")):
            raise faults.refused(self.instance, "yomo_init", code)

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One call of the handler; nothing for a frame that is for another target. Raises GuestError."""
        self.instance.begin(frame)
        if not self._host.wants(frame):
            return []
        self.instance.call("yomo_handler", "time", *((len(frame.payload),) if self._told_length else ()))
        return self.instance.emitted.frames
