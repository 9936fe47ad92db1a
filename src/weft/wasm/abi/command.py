"""WASI commands: a fresh instance per frame, the payload on stdin, the result on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.wasm.abi.base import Abi
from weft.wasm.abi.guest import run_main
from weft.wasm.instance import Instance
from weft.wasm.look import media_type_of
from weft.wasm.output import CapturedOutput, GuestLog
from weft.wasm.program import Program
from weft.wasm.state import GuestState


class Command(Abi):
    """``_start`` per frame. A command may use host modules too: its frame is what stands on stdin."""

    name = "command"
    summary = "_start per frame, stdin to stdout"
    priority = 10
    one_shot = True
    needs: ClassVar[dict[str, str]] = {"_start": "() -> ()"}

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> CommandGuest:
        """Nothing runs before the frame is there: it is the standard input."""
        return CommandGuest(program, terminal)


class CommandGuest:
    """A command about to run."""

    def __init__(self, program: Program, terminal: Terminal | None) -> None:
        self._program = program
        self._terminal = terminal
        self._instance: Instance | None = None

    @property
    def state(self) -> GuestState | None:
        """The instance's, once there is one."""
        return self._instance.state if self._instance else None

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """Run it to its end. Raises GuestExit for a non-zero exit code, GuestError otherwise."""
        out = self._terminal.out if self._terminal else None
        err = self._terminal.err if self._terminal else None
        stdin = None if self._terminal and self._terminal.inherit_stdin else frame.payload

        def output(instance: Instance, log: GuestLog) -> CapturedOutput:
            return CapturedOutput(instance, log, out, err)

        instance = self._instance = Instance(self._program, stdin, output=output)
        instance.begin(frame)
        run_main(instance, "time")
        assert isinstance(instance.output, CapturedOutput)
        printed = instance.output.result()
        result = [frame.derive(printed, media_type=media_type_of(printed), stream="")] if printed else []
        return [*result, *instance.emitted.frames]

    def close(self) -> None:
        """Release the instance."""
        if self._instance:
            self._instance.close()
