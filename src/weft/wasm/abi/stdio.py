"""The stdio form: a long-lived command reads frames from stdin and writes frames to stdout.

A record is ``u32 header_len, u32 payload_len, header (JSON), payload``, little endian. The host writes one per
frame, its header holding stream, media_type, sequence, time_ns and headers. The guest answers each with one
record: a header ``{"stream", "media_type"}`` and a payload, an empty record (both lengths 0) when it has nothing
to say, or ``{"error": "…"}`` when it failed. A header with ``"more": true`` says that another record follows.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import select
import struct
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from weft.core.errors import GuestError, GuestFailed, GuestTrap, OutputLimitError, TimeLimitError, WeftError
from weft.core.frame import Frame
from weft.core.units import format_duration
from weft.wasm.abi.base import Abi, Terminal
from weft.wasm.instance import Instance
from weft.wasm.output import GuestLog, LoggedOutput
from weft.wasm.program import Program

RECORD = struct.Struct("<II")
PIPE_SIZE = 1 << 20
"""Bytes of the pipe to the guest; what fits crosses in one write."""

MAX_HEADER = 64 * 1024
STOP_WITHIN = 1.0
"""Seconds a guest has to end after its input was closed."""

Record = tuple[dict[str, object], bytes]


class Stdio(Abi):
    """``_start`` once; frames and results as records on stdin and stdout."""

    name = "stdio"
    summary = "_start once, records on stdin and stdout"
    priority = 20

    @classmethod
    def matches(cls, exports: frozenset[str], imports: frozenset[str]) -> bool:
        """A stdio guest marks itself by exporting weft_stdio; others name the ABI in the pipeline."""
        return {"_start", "weft_stdio"} <= exports

    @classmethod
    def start(cls, program: Program, terminal: Terminal | None) -> StdioGuest:
        """Start the guest on its own thread."""
        return StdioGuest(program)


class RecordParser:
    """Bytes to records, sans-IO; raises OutputLimitError when a record is larger than allowed."""

    def __init__(self, limit: int) -> None:
        self._data = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[Record]:
        """Every record that is complete."""
        self._data += data
        records = []
        while (record := self._next()) is not None:
            records.append(record)
        return records

    def _next(self) -> Record | None:
        if len(self._data) < RECORD.size:
            return None
        header_len, payload_len = RECORD.unpack_from(self._data)
        if header_len > MAX_HEADER or payload_len > self._limit:
            raise OutputLimitError(
                f"wrote a record of {header_len} + {payload_len} bytes",
                cure="raise limits.output, or look whether it prints something else to stdout",
            )
        end = RECORD.size + header_len + payload_len
        if len(self._data) < end:
            return None
        header = bytes(self._data[RECORD.size : RECORD.size + header_len])
        payload = bytes(self._data[RECORD.size + header_len : end])
        del self._data[:end]
        return _parse_header(header), payload


def _parse_header(data: bytes) -> dict[str, object]:
    try:
        header = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        raise GuestFailed("wrote a record whose header is no JSON") from None
    if not isinstance(header, dict):
        raise GuestFailed("wrote a record whose header is no JSON object")
    return header


class RecordOutput(LoggedOutput):
    """Standard output as records, standard error as log lines."""

    def __init__(self, instance: Instance, log: GuestLog, answers: queue.SimpleQueue[Record | WeftError]) -> None:
        super().__init__(instance, log)
        self._instance = instance
        self._answers = answers
        self._parser = RecordParser(instance.settings.limits.output)

    def stdout(self, data: bytes) -> int | None:
        """Pass on the records that are complete; a malformed one ends the guest."""
        try:
            for record in self._parser.feed(data):
                self._answers.put(record)
        except WeftError as error:
            self._instance.stop(error.at(self._instance.settings.name))
            return -1
        return None


class StdioGuest:
    """A guest that runs on a thread of its own and is spoken to through a pipe."""

    def __init__(self, program: Program) -> None:
        self._settings = program.settings
        self._answers: queue.SimpleQueue[Record | WeftError] = queue.SimpleQueue()
        self._instance: Instance | None = None
        self._path, self._reader, self._writer = _make_pipe()
        self._thread = threading.Thread(target=self._run, args=(program,), name=f"weft-{program.settings.name}")
        self._thread.daemon = True
        self._thread.start()

    def handle(self, frame: Frame) -> Sequence[Frame]:
        """One record in, its answers out. Raises GuestFailed for an error record, GuestError otherwise."""
        deadline = time.monotonic() + self._settings.limits.time
        self._write(_record(frame), deadline)
        emitted: list[Frame] = []
        while True:
            header, payload = self._answer(deadline)
            if error := header.get("error"):
                raise GuestFailed(f"the guest says: {error}", where=self._settings.name)
            if header or payload:
                emitted.append(_emitted(frame, header, payload))
            if not header.get("more"):
                return emitted
            if len(emitted) >= self._settings.limits.emits:
                self._fail(
                    OutputLimitError(f"emitted more than {len(emitted)} frames for one", cure="raise limits.emits")
                )

    def close(self) -> None:
        """End of input; a guest that does not end by itself is stopped."""
        with suppress(OSError):
            os.close(self._writer)
        self._thread.join(STOP_WITHIN)
        if self._thread.is_alive() and self._instance:
            self._instance.stop(GuestError("did not end with its input", where=self._settings.name))
            self._thread.join(STOP_WITHIN)
        _remove_pipe(self._path)

    def _run(self, program: Program) -> None:
        """The guest's thread."""
        try:
            instance = self._instance = Instance(program, str(self._path), output=self._output)
            self._close_reader()
            instance.call("_start", float("inf"))
            end: WeftError = GuestTrap("ended although frames were to come", where=self._settings.name)
        except WeftError as error:
            end = error
        finally:
            self._close_reader()
            if self._instance:
                self._instance.close()
        self._answers.put(end)

    def _close_reader(self) -> None:
        """The guest holds the only reading end from here on, so that its end shows as a broken pipe."""
        reader, self._reader = self._reader, -1
        if reader >= 0:
            os.close(reader)

    def _output(self, instance: Instance, log: GuestLog) -> RecordOutput:
        return RecordOutput(instance, log, self._answers)

    def _write(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._writer, view) :]
            except BlockingIOError:
                self._wait_writable(deadline)
            except BrokenPipeError:
                self._answer(deadline)  # raises what ended the guest
                raise GuestTrap("closed its input", where=self._settings.name) from None

    def _wait_writable(self, deadline: float) -> None:
        """Wait for room in the pipe, but no longer than the frame's time, nor on a guest that ended."""
        while self._thread.is_alive():
            if select.select([], [self._writer], [], min(0.05, max(0.0, deadline - time.monotonic())))[1]:
                return
            if time.monotonic() >= deadline:
                self._fail(self._too_slow())
        raise BrokenPipeError

    def _answer(self, deadline: float) -> Record:
        try:
            answer = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            self._fail(self._too_slow())
            raise AssertionError from None  # _fail raises
        if isinstance(answer, WeftError):
            raise answer
        return answer

    def _fail(self, error: WeftError) -> None:
        """Stop the guest and raise."""
        if self._instance:
            self._instance.stop(error)
        raise error.at(self._settings.name)

    def _too_slow(self) -> WeftError:
        return TimeLimitError(
            f"did not answer within {format_duration(self._settings.limits.time)}",
            where=self._settings.name,
            cure="raise limits.time (--timeout); a stdio guest answers each record with one",
        )


def _record(frame: Frame) -> bytes:
    header = json.dumps(
        {
            "stream": frame.stream,
            "media_type": frame.media_type,
            "sequence": frame.sequence,
            "time_ns": frame.time_ns,
            "headers": dict(frame.headers),
        }
    ).encode()
    payload = frame.payload
    return b"".join((RECORD.pack(len(header), len(payload)), header, payload))


def _emitted(frame: Frame, header: dict[str, object], payload: bytes) -> Frame:
    media_type = str(header.get("media_type", "application/octet-stream"))
    return frame.derive(payload, media_type=media_type, stream=str(header.get("stream", "")))


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
