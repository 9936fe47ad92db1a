"""What a broker's connections have said, until somebody takes it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from weft.core.errors import WeftError

MAX_MESSAGES = 256
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        topic: where it was published.
        payload: as it is.
        time_ns: when it came, nanoseconds since the epoch.
        retained: the broker had kept it.
        media_type: what its publisher says it is; empty where it says nothing.
        traceparent: the trace its publisher says it belongs to; empty for none.
        done: tells the broker that it was taken.
    """

    topic: str
    payload: bytes
    time_ns: int
    retained: bool = False
    media_type: str = ""
    traceparent: str = ""
    done: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """The broker has taken the subscription."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The connection is no more; ``final`` where trying again is of no use."""

    trouble: WeftError
    final: bool = False


Said = Message | Taken | Gone


class Inbox:
    """What came, in order, and from which connection.

    At most ``MAX_MESSAGES`` of ``MAX_BYTES`` together wait (but always one); policy: the oldest is dropped, and
    counted in ``dropped``. The broker is told that it was taken, as it would send it for ever.
    """

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.dropped = 0
        self._max = (max_messages, max_bytes)
        self._messages: deque[tuple[object, Message]] = deque()
        self._bytes = 0
        self._signals: deque[tuple[object, Taken | Gone]] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nobody takes anything any more."""
        return self._closed

    def put(self, origin: object, said: Said) -> None:
        """A connection said something. Never waits."""
        late: list[Message] = []
        with self._changed:
            if isinstance(said, Message):
                self._messages.append((origin, said))
                self._bytes += len(said.payload)
                late = self._overflow()
            else:
                self._signals.append((origin, said))
            self._changed.notify()
        for message in late:
            message.done()

    def next(self, wait_s: float | None) -> tuple[object, Said] | None:
        """The oldest message, or where none waits, the oldest of the rest; None after ``wait_s``, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._messages or self._signals, wait_s)
            if self._closed:
                return None
            if self._messages:
                origin, message = self._messages.popleft()
                self._bytes -= len(message.payload)
                return origin, message
            return self._signals.popleft() if self._signals else None

    def close(self) -> None:
        """Nobody wants anything any more; whoever waits is woken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _overflow(self) -> list[Message]:
        late = []
        most, most_bytes = self._max
        while len(self._messages) > most or (self._bytes > most_bytes and len(self._messages) > 1):
            message = self._messages.popleft()[1]
            self._bytes -= len(message.payload)
            self.dropped += 1
            late.append(message)
        return late
