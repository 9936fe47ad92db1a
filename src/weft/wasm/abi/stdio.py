"""The stdio form: a long-lived command reads frames from stdin and writes frames to stdout.

The host writes one record (see :mod:`weft.wasm.records`) per frame, its header holding stream, media_type,
sequence, time_ns and headers. The guest answers each with one record: a header ``{"stream", "media_type"}`` and
a payload, an empty record (both lengths 0) when it has nothing to say, or ``{"error": "…"}`` when it failed. A
header with ``"more": true`` says that another record follows. Host modules work on the same frame.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import queue
import select
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from weft.core.errors import GuestError, GuestFailed, GuestTrap, NotFoundError, TimeLimitError, UsageError, WeftError
from weft.core.frame import Frame
from weft.core.units import format_duration
from weft.wasm.abi.base import Abi, Terminal
from weft.wasm.abi.command import run_main
from weft.wasm.instance import Instance
from weft.wasm.output import GuestLog, LoggedOutput, printable
from weft.wasm.program import Program
from weft.wasm.records import Record, RecordParser, frame_record

PIPE_SIZE = 1 << 20
"""Bytes of the pipe to the guest; what fits crosses in one write."""

STOP_WITHIN = 1.0
"""Seconds a guest has to end after its input was closed, and again after it was stopped."""

_LOOK_EVERY = 0.05
_ONE_ANSWER = 'answer each record with one record; more follow only after a header with "more": true'

Answers = queue.SimpleQueue[list[Frame] | WeftError]
"""What the guest's thread tells: that it started (nothing emitted), each frame's answer, and why it ended."""


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
    def start(cls, program: Program, terminal: Terminal | None) -> StdioGuest:
        """Start the guest on its own thread."""
        guest = StdioGuest(program)
        try:
            guest.wait_started()
        except BaseException:
            guest.close()
            raise
        return guest


class RecordOutput(LoggedOutput):
    """Standard output as the answers to frames, standard error as log lines.

    Answers are taken only while a frame is out, so what waits is bounded by the frame's limits.
    """

    def __init__(self, instance: Instance, log: GuestLog, answers: Answers) -> None:
        super().__init__(instance, log)
        self._instance = instance
        self._answers = answers
        self._parser = RecordParser(instance.settings.limits.output)
        self._asked = False
        self._failed: WeftError | None = None

    def begin(self) -> None:
        """A new frame, which the guest is to answer."""
        super().begin()
        self._asked, self._failed = True, None

    def stdout(self, data: bytes) -> int | None:
        """Take the records that are complete; a malformed one, or one nobody asked for, ends the guest."""
        try:
            for record in self._parser.feed(data):
                self._take_record(record)
        except WeftError as error:
            self._instance.stop(error.at(self._instance.settings.name))
            self._reply(error)
            return -errno.EPROTO
        return None

    def _take_record(self, record: Record) -> None:
        header, payload = record
        if not self._asked:
            raise GuestTrap("wrote a record although no frame was to be answered", cure=_ONE_ANSWER)
        if error := header.get("error"):
            self._failed = GuestFailed(f"the guest says: {printable(str(error))}", where=self._instance.settings.name)
        elif (header or payload) and self._failed is None:
            self._emit(header, payload)
        if self._failed or not header.get("more"):
            self._reply(self._failed or self._instance.emitted.frames)

    def _reply(self, answer: list[Frame] | WeftError) -> None:
        """Answer the frame that is out: one answer each."""
        if self._asked:
            self._asked = False
            self._answers.put(answer)

    def _emit(self, header: dict[str, object], payload: bytes) -> None:
        stream, media_type = str(header.get("stream", "")), str(header.get("media_type", "application/octet-stream"))
        try:
            self._instance.emitted.check(stream, media_type, len(payload))
        except (NotFoundError, UsageError) as error:
            self._failed = GuestFailed(error.what, where=error.where, cure=error.cure)
        else:
            frame = self._instance.frame
            self._instance.emitted.add(frame.derive(payload, media_type=media_type, stream=stream))


class StdioGuest:
    """A guest that runs on a thread of its own and is spoken to through a pipe."""

    def __init__(self, program: Program) -> None:
        self._settings = program.settings
        self._answers: Answers = queue.SimpleQueue()
        self._instance: Instance | None = None
        self._grace = self._settings.limits.start  # its main makes ready before it reads the first frame
        self._path, self._reader, self._writer = _make_pipe()
        self._thread = threading.Thread(target=self._run, args=(program,), name=f"weft-{program.settings.name}")
        self._thread.daemon = True
        self._thread.start()

    def wait_started(self) -> None:
        """Until the module is instantiated. Raises GuestError when it does not start."""
        limit = self._settings.limits.start
        self._answer(time.monotonic() + limit, f"did not start within {format_duration(limit)}", "raise limits.start")

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One record in, its answers out. Raises GuestFailed for an error record, GuestError otherwise."""
        assert self._instance is not None
        limit, self._grace = self._settings.limits.time + self._grace, 0.0
        deadline = time.monotonic() + limit
        record = frame_record(frame)
        self._instance.begin(frame)
        self._write(record, deadline)
        return self._answer(
            deadline,
            f"did not answer within {format_duration(limit)}",
            "raise limits.time (--timeout); a stdio guest answers each record with one",
        )

    def close(self) -> None:
        """End of input; a guest that does not end by itself is stopped."""
        writer, self._writer = self._writer, -1
        if writer >= 0:
            os.close(writer)
        self._thread.join(STOP_WITHIN)
        if self._thread.is_alive() and self._instance:
            self._instance.stop(GuestError("did not end with its input", where=self._settings.name))
            self._thread.join(STOP_WITHIN)
        if self._thread.is_alive():
            logging.getLogger(__name__).warning("%s: its thread does not end; it is left behind", self._settings.name)
        _remove_pipe(self._path)

    # --- the guest's thread ------------------------------------------------------------

    def _run(self, program: Program) -> None:
        end: WeftError = GuestError("its thread failed", where=self._settings.name)
        try:
            self._instance = Instance(program, str(self._path), output=self._output)
            self._close_reader()
            self._answers.put([])
            run_main(self._instance, "none")
            end = GuestTrap("ended although frames were to come", where=self._settings.name)
        except WeftError as error:
            end = error
        finally:
            self._close_reader()
            if self._instance:
                self._instance.close()
            self._answers.put(end)

    def _output(self, instance: Instance, log: GuestLog) -> RecordOutput:
        return RecordOutput(instance, log, self._answers)

    def _close_reader(self) -> None:
        """The guest holds the only reading end from here on, so that its end shows as a broken pipe."""
        reader, self._reader = self._reader, -1
        if reader >= 0:
            os.close(reader)

    # --- the handler's thread ----------------------------------------------------------

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._writer, view) :]
            except BlockingIOError:
                if not self._wait_writable(deadline):
                    return  # no answer will come either, which says why
            except BrokenPipeError:
                return

    def _wait_writable(self, deadline: float) -> bool:
        """Wait for room in the pipe, but no longer than the frame's time, nor on a guest that ended."""
        poller = select.poll()
        poller.register(self._writer, select.POLLOUT)
        while self._thread.is_alive() and time.monotonic() < deadline:
            if poller.poll(_LOOK_EVERY * 1000):
                return True
        return False

    def _answer(self, deadline: float, late: str, cure: str) -> list[Frame]:
        try:
            answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            answer = TimeLimitError(late, where=self._settings.name, cure=cure)
            if self._instance:
                self._instance.stop(answer)
        if isinstance(answer, WeftError):
            raise answer
        return answer


def _make_pipe() -> tuple[Path, int, int]:
    """A named pipe nobody else can open, its reading end, and its writing end, which never blocks."""
    path = Path(tempfile.mkdtemp(prefix="weft-")) / "stdin"
    os.mkfifo(path, 0o600)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(OSError, AttributeError):  # not every system lets a pipe grow
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return path, reader, writer


def _remove_pipe(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
        path.parent.rmdir()
