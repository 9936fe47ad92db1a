"""What the threads of a run tell its supervisor, and the flags it holds up to them."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread

from weft.core.errors import WeftError


@dataclass(frozen=True, slots=True)
class Ready:
    """A thread has made its source, handler or sink."""

    thread: Thread


@dataclass(frozen=True, slots=True)
class Failed:
    """Something happened that ends the pipeline. What is ``counted``, as frames that fail are, is told but once."""

    error: WeftError
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A thread is about to end."""

    thread: Thread


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the pipeline to end; ``reason`` is "stop" or a signal's name. ``now`` does not drain.

    A stop that is ``urgent`` (a signal) aborts when the pipeline is already draining.
    """

    reason: str
    now: bool = False
    urgent: bool = False


Message = Ready | Failed | Finished | Stop


class Control:
    """One mailbox and two flags, shared by the threads of a run.

    The mailbox is a SimpleQueue because that may be written to from a signal handler.

    Attributes:
        stopping: sources end after the frame they hold. Only the supervisor sets it.
        aborting: what is under way is given up, too. Only the supervisor sets it.
        go: sources wait for it before their first frame.
    """

    def __init__(self) -> None:
        self._mailbox: SimpleQueue[Message] = SimpleQueue()
        self.stopping = False
        self.aborting = False
        self.go = Event()

    def post(self, message: Message) -> None:
        """Tell the supervisor."""
        self._mailbox.put(message)

    def next(self, timeout_s: float | None) -> Message | None:
        """The next message; None after ``timeout_s``."""
        try:
            return self._mailbox.get(timeout=None if timeout_s is None else max(timeout_s, 0.0))
        except Empty:
            return None
