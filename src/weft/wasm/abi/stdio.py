"""The stdio form: a long-lived command reads frames from stdin and writes frames to stdout.

The host writes one record (see :mod:`weft.wasm.records`) per frame, its header holding stream, media_type,
sequence, time_ns and headers. The guest answers each with one record: a header ``{"stream", "media_type"}`` and
a payload, an empty record (both lengths 0) when it has nothing to say, or ``{"error": "…"}`` when it failed. A
header with ``"more": true`` says that another record follows, and one with ``"frame": true`` hands the frame through.

Before its answer a guest may call the host (:mod:`weft.wasm.stdio_calls`), and log with ``{"log": "…"}`` and perhaps
``"level": "warning"``, which is not answered. Host modules work on the same frame.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Sequence
from typing import ClassVar

from weft.core.errors import GuestError, GuestTrap, TimeLimitError, WeftError
from weft.core.frame import Frame
from weft.core.protocols import Terminal
from weft.core.units import format_duration
from weft.wasm.abi.base import Abi
from weft.wasm.abi.guest import run_main
from weft.wasm.instance import NO_FRAME, Instance
from weft.wasm.output import GuestLog
from weft.wasm.program import Program
from weft.wasm.records import frame_record, record
from weft.wasm.state import GuestState
from weft.wasm.stdio_calls import StdioCalls
from weft.wasm.stdio_output import Answers, Called, RecordOutput
from weft.wasm.stdio_pipe import Pipe

STOP_WITHIN = 1.0
"""Seconds a guest has to end after its input was closed, and again after it was stopped."""


class Stdio(Abi):
    """``_start`` once; frames and results as records on stdin and stdout."""

    name = "stdio"
    summary = "_start once, records on stdin and stdout"
    priority = 20
    needs: ClassVar[dict[str, str]] = {"_start": "() -> ()"}

    @classmethod
    def matches(cls, exports: frozenset[str], imports: frozenset[str]) -> bool:
        """A stdio guest marks itself by exporting weft_stdio; others name the ABI in the pipeline."""
        return {"_start", "weft_stdio"} <= exports

    @classmethod
    def start_record(cls, program: Program) -> bytes | None:
        """What the guest is given before its first frame, and has to answer like one; None for nothing."""
        return None

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> StdioGuest:
        """Start the guest on its own thread, and give it its start record, if there is one."""
        (main,) = cls.needs
        guest = StdioGuest(program, main)
        try:
            guest.wait_started()
            if (payload := cls.start_record(program)) is not None:
                guest.make_ready(payload)
        except BaseException:
            guest.close()
            raise
        return guest


class StdioGuest:
    """A guest that runs on a thread of its own and is spoken to through a pipe."""

    def __init__(self, program: Program, main: str) -> None:
        self._settings = program.settings
        self._main = main
        self._answers: Answers = queue.SimpleQueue()
        self._instance: Instance | None = None
        self._calls: StdioCalls | None = None
        self._deadline = math.inf
        self._grace = self._settings.limits.start  # its main makes ready before it reads the first frame
        self._pipe = Pipe()
        self._thread = threading.Thread(target=self._run, args=(program,), name=f"weft-{program.settings.name}")
        self._thread.daemon = True
        try:
            self._thread.start()
        except BaseException:
            self._pipe.give_up()
            raise

    def wait_started(self) -> None:
        """Until the module is instantiated. Raises GuestError when it does not start."""
        limit = self._settings.limits.start
        self._deadline = time.monotonic() + limit
        self._answer(NO_FRAME, "did not start within {}", limit, "raise limits.start")

    def make_ready(self, payload: bytes) -> None:
        """Give it the start record, and wait until it is ready. Raises GuestError when it is not, or says so."""
        assert self._instance is not None
        limit, self._grace = self._settings.limits.start, 0.0
        self._deadline = time.monotonic() + limit
        self._instance.output.begin()
        self._ask(record({"start": True}, payload))
        cure = "raise limits.start, or do less before the first frame"
        self._answer(NO_FRAME, "ran longer than the {} it has to start", limit, cure)

    @property
    def state(self) -> GuestState | None:
        """The instance's, once there is one."""
        return self._instance.state if self._instance else None

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One record in, its answers out. Raises GuestFailed for an error record, GuestError otherwise."""
        assert self._instance is not None
        assert self._calls is not None
        limit, self._grace = self._settings.limits.time + self._grace, 0.0
        self._deadline = time.monotonic() + limit
        asked = frame_record(frame, lazy=self._calls.lazy)
        self._instance.begin(frame)
        self._calls.begin()
        self._ask(asked)
        cure = "raise limits.time (--timeout); a stdio guest answers each record with one"
        return self._answer(frame, "did not answer within {}", limit, cure)

    def close(self) -> None:
        """End of input; a guest that does not end by itself is stopped."""
        self._pipe.end()
        self._thread.join(STOP_WITHIN)
        if self._thread.is_alive() and self._instance:
            self._instance.stop(GuestError("did not end with its input", where=self._settings.name))
            self._thread.join(STOP_WITHIN)
        if self._thread.is_alive():
            logging.getLogger(__name__).warning("%s: its thread does not end; it is left behind", self._settings.name)
        self._pipe.remove()

    # --- the guest's thread ------------------------------------------------------------

    def _run(self, program: Program) -> None:
        end: WeftError = GuestError("its thread failed", where=self._settings.name)
        try:
            self._instance = Instance(program, str(self._pipe.path), output=self._output)
            self._calls = StdioCalls(self._instance, self._seconds_left)
            self._instance.state = GuestState(self._settings, self._instance.log, self._expired)
            self._pipe.guest_reads()
            self._answers.put([])
            run_main(self._instance, "none", self._main)
            end = GuestTrap("ended although frames were to come", where=self._settings.name)
        except WeftError as error:
            end = error
        finally:
            self._pipe.guest_reads()
            if self._calls:
                self._calls.close()
            if self._instance:
                self._instance.close()
            self._answers.put(end)

    def _output(self, instance: Instance, log: GuestLog) -> RecordOutput:
        return RecordOutput(instance, log, self._answers)

    def _expired(self) -> bool:
        """Its main has no time limit, but what it asks the host for has the frame's."""
        return time.monotonic() >= self._deadline or self._instance is None or self._instance.expired()

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    # --- the handler's thread ----------------------------------------------------------

    def _ask(self, data: bytes) -> None:
        self._pipe.write(data, self._deadline, self._thread.is_alive)

    def _answer(self, frame: Frame, late: str, limit: float, cure: str) -> list[Frame]:
        """What the guest says of ``frame``, its calls answered meanwhile; ``late`` says that ``limit`` has passed."""
        while True:
            try:
                left = max(0.0, self._deadline - time.monotonic())
                said = self._answers.get(timeout=min(left, threading.TIMEOUT_MAX))
            except queue.Empty:
                said = TimeLimitError(late.format(format_duration(limit)), where=self._settings.name, cure=cure)
                if self._instance:
                    self._instance.stop(said)
            if isinstance(said, WeftError):
                raise said
            if isinstance(said, list):
                return said
            self._serve(said, frame)

    def _serve(self, called: Called, frame: Frame) -> None:
        assert self._calls is not None
        assert self._instance is not None
        answer = self._calls.answer(called.record, in_frame=frame is not NO_FRAME)
        output = self._instance.output
        if isinstance(output, RecordOutput):  # it may have ended meanwhile
            output.answered()
        self._ask(answer)
