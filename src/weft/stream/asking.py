"""Requests and their answers: what both carriers of streams share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from weft.core.errors import GuestFailed, NotFoundError, PipelineError, WeftError
from weft.core.frame import Frame
from weft.stream.base import Answer

MAX_WAITING = 64
"""Requests that wait for one who answers; more are refused at once."""

Outcome = Frame | WeftError

log = logging.getLogger(__name__)


class AnswerThread:
    """Answers the requests of one stream, one after the other, on a thread of its own.

    Attributes:
        stream: what it answers on.
        refused: requests that came while ``MAX_WAITING`` were waiting.
    """

    def __init__(self, stream: str, work: Answer, closed: Callable[[AnswerThread], None]) -> None:
        self.stream = stream
        self.refused = 0
        self._work = work
        self._closed = closed
        self._requests: SimpleQueue[tuple[Frame, Callable[[Outcome], None]] | None] = SimpleQueue()
        self._open = True
        self._lock = Lock()
        self._thread = Thread(target=self._run, name=f"weft-answer-{stream}", daemon=True)
        self._thread.start()

    def take(self, frame: Frame, give: Callable[[Outcome], None]) -> None:
        """Answer a request, later: ``give`` is called with what comes of it."""
        with self._lock:  # none comes behind the end
            if self._open and self._requests.qsize() < MAX_WAITING:
                self._requests.put((frame, give))
                return
            self.refused += self._open
            open_ = self._open
        if open_:
            give(PipelineError(f"{MAX_WAITING} requests wait already", where=self.stream, cure="ask again later"))
        else:
            give(nobody(self.stream))

    def close(self) -> None:
        """Stop answering; what waits is answered first."""
        with self._lock:
            was_open, self._open = self._open, False
            if was_open:
                self._requests.put(None)
        if was_open:
            self._closed(self)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            frame, give = request
            give(self._answer(frame))

    def _answer(self, frame: Frame) -> Outcome:
        try:
            return self._work(frame)
        except WeftError as error:
            return error
        except Exception as error:  # the work is anybody's, and its failure is an answer too
            log.debug("answering on '%s' failed", self.stream, exc_info=True)
            return GuestFailed(f"{type(error).__name__}: {error}", where=self.stream)


class Reply:
    """Waits for the first answer to a request."""

    def __init__(self, stream: str, timeout: float) -> None:
        self._stream = stream
        self._timeout = timeout
        self._outcomes: SimpleQueue[Outcome] = SimpleQueue()

    def give(self, outcome: Outcome) -> None:
        """An answer, or why there is none; any thread may bring it."""
        self._outcomes.put(outcome)

    def wait(self) -> Frame:
        """The answer. Raises NotFoundError when nobody answers in time, PipelineError for a failure."""
        try:
            outcome = self._outcomes.get(timeout=self._timeout)
        except Empty:
            what = f"nobody answered within {self._timeout:g} s"
            raise NotFoundError(what, where=self._stream, cure="raise the timeout, or look at who answers") from None
        if isinstance(outcome, NotFoundError):
            raise outcome
        if isinstance(outcome, WeftError):
            raise PipelineError(f"could not be answered: {outcome.what}", where=self._stream, cure=outcome.cure)
        return outcome


def nobody(stream: str) -> NotFoundError:
    """Nobody answers on a stream."""
    return NotFoundError("nobody answers on this stream", where=stream, cure="`weft streams` shows who is there")
