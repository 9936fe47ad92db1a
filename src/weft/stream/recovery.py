"""What a receiver does about frames that did not come: the logic alone, without threads, clocks or network.

A reliable publisher numbers what it sends and keeps the last of it. A receiver hands frames on in that order. Where
one is missing it holds back what follows, asks the publisher for what is missing, and says what could not be had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

WINDOW = 256
"""Frames held back at most while an earlier one is missing, or there is no room for them; later ones are asked for
again."""

SMALL_WINDOW, SMALL_BYTES = 16384, 2**20
"""So many where they are no more than so many bytes together: they come while the reader waits for its turn to run,
and to ask for them takes longer than they took to come."""

HELD_BYTES = 64 * 2**20
"""Bytes held back at most."""

BATCH = 1024
"""Frames asked for at once, at most; an answer is also bounded in bytes. It begins with less, and halves when an answer
does not come whole: on a slow link an answer that is too long fills it with frames that come too late, and leaves no
room for the next one."""

FIRST_BATCH = 16

RETRY_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between two questions that bring nothing; the last one from then on."""


PATIENCE_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""A question is asked anew when nothing at all has come for so long: it or the end of its answer got lost. The times
are those of the first question, the second, and so on while nothing is gained."""


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """What to ask a publisher for: the numbers ``first`` to ``last``, both included."""

    publisher: int
    first: int
    last: int


class Recovery(Generic[T]):
    """The frames of one publisher, put back in order.

    Attributes:
        publisher: whose they are.
        stream: the stream they come on; what claims to be this publisher's on another one is not.
        next: the number of the frame to hand on next.
        top: the highest number known to have been sent.
        lost: frames that could not be had.
        recovered: frames that came only when they were asked for.
        repeated: frames that came again and were dropped.
        gone: the publisher is no longer there, and will not be asked.
        durable: it will be back with what it owes; what is missing is waited for.
        heard_at: when something of it came, as far as somebody notes that.
    """

    __slots__ = (
        "_ask_at",
        "_asked",
        "_batch",
        "_held",
        "_held_bytes",
        "_size",
        "_tries",
        "durable",
        "gone",
        "heard_at",
        "lost",
        "next",
        "publisher",
        "recovered",
        "repeated",
        "stream",
        "top",
    )

    def __init__(
        self, publisher: int, stream: str, first: int, size: Callable[[T], int], *, durable: bool = False
    ) -> None:
        self.publisher = publisher
        self.durable = durable
        self.stream = stream
        self.next = first
        self.top = first - 1
        self.lost = 0
        self.recovered = 0
        self.repeated = 0
        self.gone = False
        self.heard_at = 0.0
        self._size = size
        self._held: dict[int, T] = {}
        self._held_bytes = 0
        self._asked: Gap | None = None
        self._tries = 0
        self._ask_at = 0.0
        self._batch = FIRST_BATCH

    @property
    def complete(self) -> bool:
        """True when nothing is known to be missing."""
        return self.next > self.top

    @property
    def idle(self) -> bool:
        """True when nothing can be done now: all is there, or what is missing is with somebody who is not."""
        return self.complete or (self.gone and self.durable and self.next not in self._held)

    def take(self, number: int, frame: T, room: int, *, asked: bool = False) -> list[T]:
        """A frame came; returns those that are next in order, at most ``room`` of them.

        What finds no room, and is not held back either, is forgotten and asked for when there is some.
        """
        if number < self.next or number in self._held:
            self.repeated += 1
            return []
        self.gone = False
        self.top = max(self.top, number)
        if not self._hold(number, frame, room):
            return []
        self.recovered += asked
        return self.proceed(room) if room > 0 and self.next in self._held else []

    def beyond(self, first: int) -> bool:
        """Frames from this number on are not held back, whatever their size: that they were sent is all they say."""
        return first - self.next >= SMALL_WINDOW

    def beat(self, last: int, room: int) -> list[T]:
        """The publisher says which number was its last. Returns what can go on."""
        self.gone = False
        self.top = max(self.top, last)
        return self.proceed(room)

    def proceed(self, room: int) -> list[T]:
        """There may be room again. Returns what can go on."""
        return self._advance(room, self.top + 1 if self.gone and not self.durable else self.next)

    def question(self, now: float, room: int) -> Gap | None:
        """What to ask for now, if anything; answer with :meth:`answered`."""
        if self.complete or self.gone or room <= 0 or self.next in self._held:
            return None
        if self._asked is not None and now >= self.heard_at + PATIENCE_S[min(self._tries, len(PATIENCE_S) - 1)]:
            self._settle(now, self._asked, whole=False)
            self._ask_at = now
        if self._asked is not None or now < self._ask_at:
            return None
        last = min(min(self._held, default=self.top + 1) - 1, self.top, self.next + min(self._batch, room) - 1)
        if last < self.next:
            return None
        self._asked, self.heard_at = Gap(self.publisher, self.next, last), now
        return self._asked

    def answered(self, now: float, gap: Gap, oldest: int | None, room: int) -> list[T]:
        """The answer is complete. ``oldest`` is the first number the publisher still has; None if it did not answer.

        What it no longer has is lost; what it did not send, it is asked for again, after a while.
        """
        ready = self.proceed(room) if oldest is None else self._advance(room, oldest)
        if gap is self._asked:  # else it was asked anew in the meantime
            self._settle(now, gap, whole=oldest is not None)
        return ready

    def _settle(self, now: float, gap: Gap, *, whole: bool) -> None:
        self._asked = None
        self._batch = min(BATCH, 2 * self._batch) if whole else max(1, self._batch // 2)
        self._tries = 0 if self.next > gap.first else min(self._tries + 1, len(RETRY_S))
        self._ask_at = now + RETRY_S[self._tries - 1] if self._tries else now

    def abandon(self, room: int) -> list[T]:
        """The publisher is gone: what is missing is lost, and what was held back goes on as there is room.

        A durable one's is not lost: nothing goes on until the publisher is back.
        """
        self.gone = True
        return self.proceed(room)

    def forget(self) -> None:
        """Nobody will look at it again: what is missing and what is held back is lost, unless it is durable."""
        self.lost += 0 if self.durable else max(0, self.top + 1 - self.next)
        self.next = self.top + 1
        self._held.clear()

    def _hold(self, number: int, frame: T, room: int) -> bool:
        """Keep a frame until its turn. What goes on at once always fits."""
        size = self._size(frame)
        held = self._held_bytes + size
        full = number - self.next >= (SMALL_WINDOW if held <= SMALL_BYTES else WINDOW) or held > HELD_BYTES
        if full and not (number == self.next and room > 0):
            return False
        self._held[number] = frame
        self._held_bytes += size
        return True

    def _advance(self, room: int, until: int) -> list[T]:
        """Hand on what is next; what is missing before the number ``until`` is lost."""
        ready: list[T] = []
        while True:
            if self.next in self._held:
                if len(ready) >= room:
                    break
                ready.append(self._release(self.next))
                self.next += 1
            elif self.next < until:
                found = min(until, min(self._held, default=until))
                self.lost += found - self.next
                self.next = found
            else:
                break
        self.top = max(self.top, self.next - 1)
        return ready

    def _release(self, number: int) -> T:
        frame = self._held.pop(number)
        self._held_bytes -= self._size(frame)
        return frame
