"""The receiving end of a subscription, whatever carries the frames: order, gaps, the inbox and its counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.stream.base import SubscribeOptions
from weft.stream.inbox import Inbox
from weft.stream.recovery import Gap, Recovery
from weft.stream.wire import LATEST, RELIABLE

MAX_PUBLISHERS = 4096
"""Reliable publishers one subscription follows; beyond that one is forgotten: who is gone first, then the oldest."""

AGELESS_MS = 2**63
"""Of a publisher whose frames cannot have been lost before the first one that came."""

_LOOK_EVERY_S = 0.05
_NOTHING_DUE_S = 3600.0

Ask = Callable[[Gap, str], None]
"""Asks a publisher, named with its stream, for what is missing; the answer comes by :meth:`Receiver.answered`."""


class Receiver:
    """Takes what a network thread brings and gives it to a reader.

    The reader drives the recovery: who does not read needs nothing sent again.

    Attributes:
        malformed: messages that were none of Weft's, or claimed to be another publisher's.
        refused: frames over the limit.
    """

    def __init__(self, options: SubscribeOptions, ask: Ask) -> None:
        self.malformed = 0
        self.refused = 0
        self._ask = ask
        self._inbox = Inbox(options.queue)
        self._latest = options.latest
        self._lock = Lock()
        self._received = 0
        self._peers: dict[int, Recovery[Frame]] = {}
        self._behind: dict[int, Recovery[Frame]] = {}
        self._gone: dict[int, None] = {}
        self._begun: dict[int, None] = {}
        self._opened_at = monotonic()
        self._look_at = 0.0
        self._past = {"lost": 0, "recovered": 0}

    # --- the network's side ------------------------------------------------------------

    def take(self, frame: Frame, publisher: int, number: int, flags: int, age_ms: int = AGELESS_MS) -> None:
        """A frame came, from a publisher that had started so long before it was sent."""
        if not flags & RELIABLE:
            if flags & LATEST:
                self._note(publisher)
            self._inbox.put(frame, live=True)
            return
        with self._lock:
            peer = self._peers.get(publisher) or self._begin(publisher, frame.stream, number, age_ms)
            if peer.stream != frame.stream:
                self.malformed += 1
            elif number == peer.next > peer.top and self._inbox.room() > 0:
                peer.next, peer.top = number + 1, number
                self._inbox.put(frame, live=False)
            else:
                peer.heard_at = monotonic()
                self._deliver(peer, peer.take(number, frame, self._inbox.room()))

    def beat(self, stream: str, publisher: int, last: int, flags: int = RELIABLE, age_ms: int = AGELESS_MS) -> None:
        """A reliable publisher says which number was its last.

        One that is not known yet begins after it; or with it, where it keeps its last frame for those who come late:
        then that one is asked for like any that was lost.
        """
        with self._lock:
            begin = last if flags & LATEST and self._latest else last + 1
            peer = self._peers.get(publisher) or self._begin(publisher, stream, begin, age_ms)
            if peer.stream == stream:
                self._deliver(peer, peer.beat(last, self._inbox.room()))

    def first(self, frame: Frame, publisher: int, number: int, flags: int) -> None:
        """The last frame of a stream that keeps it, for one who comes late; dropped where a newer one was first."""
        known = self._peers if flags & RELIABLE else self._begun
        if publisher not in known:
            self.take(frame, publisher, number, flags)

    def again(self, frame: Frame, publisher: int, number: int) -> None:
        """A frame that was asked for."""
        with self._lock:
            if (peer := self._peers.get(publisher)) is not None and peer.stream == frame.stream:
                peer.heard_at = monotonic()
                self._deliver(peer, peer.take(number, frame, self._inbox.room(), asked=True))

    def answered(self, gap: Gap, oldest: int | None) -> None:
        """All of an answer came: what the publisher no longer has is lost. None: it did not answer."""
        with self._lock:
            if (peer := self._peers.get(gap.publisher)) is not None:
                self._deliver(peer, peer.answered(monotonic(), gap, oldest, self._inbox.room()))

    def gone(self, publisher: int) -> None:
        """A publisher is no longer there: what it owes is lost."""
        with self._lock:
            if (peer := self._peers.get(publisher)) is not None:
                self._gone[publisher] = None
                self._deliver(peer, peer.abandon(self._inbox.room()))

    # --- the reader's side -------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Frame | None:
        """As :meth:`weft.stream.base.Subscription.get`."""
        inbox = self._inbox
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            if self._behind and monotonic() >= self._look_at:
                self._recover(monotonic())
            if (frame := inbox.get()) is not None:
                self._received += 1
                return frame
            if inbox.ended:
                return None
            wait = self._recover(monotonic()) if self._behind else _NOTHING_DUE_S
            if deadline is not None and (left := deadline - monotonic()) < wait:
                wait = left
            if wait <= 0 and not len(inbox):
                return None
            inbox.wait(wait)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.get()) is not None:
            yield frame

    def close(self) -> None:
        """Nothing more comes."""
        self._inbox.close()

    @property
    def counters(self) -> dict[str, int]:
        """As :attr:`weft.stream.base.Subscription.counters`."""
        with self._lock:
            peers = list(self._peers.values())
            return {
                "received": self._received,
                "dropped": self._inbox.dropped,
                "lost": self._past["lost"] + sum(peer.lost for peer in peers),
                "recovered": self._past["recovered"] + sum(peer.recovered for peer in peers),
                "malformed": self.malformed,
                "refused": self.refused,
            }

    # --- helpers -----------------------------------------------------------------------

    def _recover(self, now: float) -> float:
        """Ask for what is missing; the seconds after which to look again."""
        gaps: list[tuple[Gap, str]] = []
        with self._lock:
            self._look_at = now + _LOOK_EVERY_S
            for peer in list(self._behind.values()):
                self._deliver(peer, peer.proceed(self._inbox.room()), wake=False)
                if (gap := peer.question(now, self._inbox.room())) is not None:
                    gaps.append((gap, peer.stream))
        for gap, stream in gaps:
            self._ask(gap, stream)
        return _LOOK_EVERY_S if self._behind else _NOTHING_DUE_S

    def _deliver(self, peer: Recovery[Frame], frames: Iterable[Frame], *, wake: bool = True) -> None:
        """Hand frames to the reader, and remember whether their publisher owes more."""
        for frame in frames:
            self._inbox.put(frame, live=False)
        if peer.complete:
            self._behind.pop(peer.publisher, None)
            return
        self._behind[peer.publisher] = peer
        if wake:
            self._inbox.wake()

    def _note(self, publisher: int) -> None:
        """A live publisher that keeps its last frame has sent one: who asked for that comes too late."""
        if publisher not in self._begun:
            with self._lock:
                if len(self._begun) >= MAX_PUBLISHERS:
                    self._begun.pop(next(iter(self._begun)))
                self._begun[publisher] = None

    def _begin(self, publisher: int, stream: str, first: int, age_ms: int) -> Recovery[Frame]:
        """Follow a publisher from this number on; from its very first where it started after this began to listen."""
        if len(self._peers) >= MAX_PUBLISHERS:
            gone = (other for other in self._gone if self._peers[other].gone)
            self._forget(next(gone, next(iter(self._peers))))
        if age_ms < (monotonic() - self._opened_at) * 1000:
            first = 0
        peer = self._peers[publisher] = Recovery(publisher, stream, first, _size)
        return peer

    def _forget(self, publisher: int) -> None:
        peer = self._peers.pop(publisher)
        self._gone.pop(publisher, None)
        self._behind.pop(publisher, None)
        peer.forget()
        self._past["lost"] += peer.lost
        self._past["recovered"] += peer.recovered


def _size(frame: Frame) -> int:
    return len(frame.payload)
