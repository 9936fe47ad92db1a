"""What a stdio guest writes: answers to frames, calls of the host and log lines as records, and standard error."""

from __future__ import annotations

import errno
import queue
from typing import TYPE_CHECKING, NamedTuple

from weft.core.errors import GuestFailed, GuestTrap, NotFoundError, UsageError, WeftError
from weft.core.frame import Frame
from weft.core.text import visible
from weft.wasm.output import GuestLog, LoggedOutput, told_traceback
from weft.wasm.records import Record, RecordParser
from weft.wasm.stdio_calls import hand_through
from weft.wasm.told import log_line

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

_ONE_ANSWER = 'answer each record with one record; more follow only after a header with "more": true'
_ONE_CALL = "read the answer to a call before writing the next record"
_LEVELS = {"trace": 0, "debug": 1, "info": 2, "warning": 3, "error": 4}


class Called(NamedTuple):
    """A call of the host, which the handler's thread answers."""

    record: Record


Said = list[Frame] | Called | WeftError
"""What a guest's thread tells its handler: what it emits for a frame, a call, or why it ended."""

Answers = queue.SimpleQueue[Said]


class RecordOutput(LoggedOutput):
    """Standard output as the answers to frames, standard error as log lines.

    Answers and calls are taken only while a frame is out, and one call at a time, so what waits is bounded by the
    frame's limits.
    """

    def __init__(self, instance: Instance, log: GuestLog, answers: Answers) -> None:
        super().__init__(instance, log)
        self._instance = instance
        self._answers = answers
        self._parser = RecordParser(instance.settings.limits.output)
        self._asked = False
        self._called = False
        self._failed: WeftError | None = None

    def begin(self) -> None:
        """A new frame, which the guest is to answer."""
        super().begin()
        self._asked, self._failed = True, None

    def answered(self) -> None:
        """The guest is about to get the answer to its call."""
        self._called = False

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
        header, _ = record
        if not self._asked:
            raise GuestTrap("wrote a record although no frame was to be answered", cure=_ONE_ANSWER)
        if self._called:
            raise GuestTrap("wrote a record before its call was answered", cure=_ONE_CALL)
        if "call" in header:
            self._called = True
            self._answers.put(Called(record))
        elif "log" in header:
            log_line(self._instance, _LEVELS.get(str(header.get("level")), 2), str(header["log"]))
        else:
            self._take_answer(record)

    def _take_answer(self, record: Record) -> None:
        header, payload = record
        if error := header.get("error"):
            self._failed = self._failure(str(error), traceback=bool(header.get("traceback")))
        elif (header or payload) and self._failed is None:
            self._emit(header, payload)
        if self._failed or not header.get("more"):
            self._reply(self._failed or self._instance.emitted.frames)

    def _failure(self, error: str, *, traceback: bool) -> GuestFailed:
        what = told_traceback(error) if traceback else f"the guest says: {visible(error)}"
        return GuestFailed(what, where=self._instance.settings.name, cure=self._instance.cure)

    def _reply(self, answer: list[Frame] | WeftError) -> None:
        """Answer the frame that is out: one answer each."""
        if self._asked:
            self._asked = False
            self._answers.put(answer)

    def _emit(self, header: dict[str, object], payload: bytes) -> None:
        stream = str(header.get("stream", ""))
        frame, emitted = self._instance.frame, self._instance.emitted
        try:
            if header.get("frame"):
                hand_through(self._instance, stream, str(header.get("media_type", "")))
                return
            media_type = str(header.get("media_type", "application/octet-stream"))
            emitted.check(stream, media_type, len(payload))
        except (NotFoundError, UsageError) as error:
            self._failed = GuestFailed(error.what, where=error.where, cure=error.cure)
        else:
            emitted.add(frame.derive(payload, media_type=media_type, stream=stream))
