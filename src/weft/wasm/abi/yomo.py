"""YoMo's functions: ``yomo_handler`` per frame, tags in and out through ``env``. See :mod:`weft.wasm.host.env_yomo`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar

from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.wasm import faults
from weft.wasm.abi.base import Abi
from weft.wasm.abi.command import run_main
from weft.wasm.host.env_yomo import YomoHost, tag_stream
from weft.wasm.instance import Instance
from weft.wasm.program import Program
from weft.wasm.state import GuestState

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


class YomoGuest:
    """A started function. In the first generation its handler is told the payload's length."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._told_length = instance.program.functions["yomo_handler"] == "(i32) -> ()"
        try:
            self._prepare()
        except BaseException:
            instance.close()
            raise
        host = instance.host(YomoHost)
        assert isinstance(host, YomoHost)
        self._host = host
        if host.observed:
            instance.log.line(logging.INFO, f"observes {', '.join(map(tag_stream, host.observed))}")

    @property
    def state(self) -> GuestState:
        """The instance's."""
        return self._instance.state

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One call of the handler; nothing for a frame that is for another target. Raises GuestError."""
        self._instance.begin(frame)
        if not self._host.wants(frame):
            return []
        self._instance.call("yomo_handler", "time", *((len(frame.payload),) if self._told_length else ()))
        return self._instance.emitted.frames

    def close(self) -> None:
        """Release the instance."""
        self._instance.close()

    def _prepare(self) -> None:
        exports = self._instance.program.functions
        if "_initialize" in exports:
            self._instance.call("_initialize", "start")
        elif "_start" in exports:
            run_main(self._instance, "start")
        for name in _PREPARE:
            if name in exports:
                self._instance.call(name, "start")
        if "yomo_init" in exports and (code := self._instance.call("yomo_init", "start")):
            raise faults.refused(self._instance, "yomo_init", code)
