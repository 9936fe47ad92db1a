"""The receiving end of a subscription, whatever carries the frames: order, gaps, the inbox and its counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.stream.base import Mark, SubscribeOptions, marked
from weft.stream.inbox import Inbox
from weft.stream.positions import Positions
from weft.stream.recovery import Gap, Recovery
from weft.stream.wire import DURABLE, LATEST, RELIABLE

MAX_PUBLISHERS = 4096
"""Reliable publishers one subscription follows; beyond that one is forgotten: who is gone first, then the oldest."""

AGELESS_MS = 2**63
"""Of a publisher whose frames cannot have been lost before the first one that came."""

_LOOK_EVERY_S = 0.05
_NOTHING_DUE_S = 3600.0

Numbered = tuple[Frame, int]
"""A frame with its publisher's number."""

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
        self._peers: dict[int, Recovery[Numbered]] = {}
        self._behind: dict[int, Recovery[Numbered]] = {}
        self._gone: dict[int, None] = {}
        self._begun: dict[int, int] = {}
        self._opened_at = monotonic()
        self._look_at = 0.0
        self._past = {"lost": 0, "recovered": 0}
        self._positions = Positions(options.consumer) if options.consumer is not None else None
        self._in_hand: Mark | None = None
        self._tells = False
        self._again = 0

    # --- the network's side ------------------------------------------------------------

    def take(self, frame: Frame, publisher: int, number: int, flags: int, age_ms: int = AGELESS_MS) -> None:
        """A frame came, from a publisher that had started so long before it was sent."""
        if not flags & RELIABLE:
            if not flags & LATEST or not self._had(publisher, number):
                self._inbox.put(frame, live=True)
            return
        with self._lock:
            peer = self._peers.get(publisher) or self._begin(publisher, frame.stream, number, flags, age_ms)
            if peer.stream != frame.stream:
                self.malformed += 1
            elif number == peer.next > peer.top and self._inbox.room() > 0:
                peer.next, peer.top = number + 1, number
                self._put(peer, frame, number)
            else:
                self._take_in(peer, [frame], number, asked=False)

    def take_all(self, frames: list[Frame], publisher: int, first: int, flags: int, age_ms: int = AGELESS_MS) -> None:
        """Several frames of one stream came at once; their numbers follow each other."""
        if not flags & RELIABLE:
            had = self._had(publisher, first) if flags & LATEST else 0
            self._inbox.put_all(frames[had:] if had else frames, live=True)
            return
        stream = frames[0].stream
        with self._lock:
            peer = self._peers.get(publisher) or self._begin(publisher, stream, first, flags, age_ms)
            if peer.stream != stream:
                self.malformed += 1
            elif first == peer.next > peer.top and self._inbox.room() >= len(frames) and self._positions is None:
                peer.next, peer.top = first + len(frames), first + len(frames) - 1
                self._inbox.put_all(frames, live=False)
            else:
                self._take_in(peer, frames, first, asked=False)

    def beat(self, stream: str, publisher: int, last: int, flags: int = RELIABLE, age_ms: int = AGELESS_MS) -> None:
        """A reliable publisher says which number was its last.

        One that is not known yet begins after it; or with it, where it keeps its last frame for those who come late:
        then that one is asked for like any that was lost.
        """
        with self._lock:
            begin = last if flags & LATEST and self._latest else last + 1
            peer = self._peers.get(publisher) or self._begin(publisher, stream, begin, flags, age_ms)
            if peer.stream == stream:
                self._deliver(peer, peer.beat(last, self._inbox.room()))

    def first(self, frame: Frame, publisher: int, number: int, flags: int) -> None:
        """The last frame of a stream that keeps it, for one who comes late; dropped where a newer one was first."""
        if flags & RELIABLE:
            if publisher not in self._peers:
                self.take(frame, publisher, number, flags)
        elif self._begin_live(publisher, number) is None:
            self._inbox.put(frame, live=True)

    def take_asked(self, frames: Sequence[Frame], publisher: int, first: int) -> None:
        """Frames that were asked for; their numbers follow each other."""
        with self._lock:
            if frames and (peer := self._peers.get(publisher)) is not None and peer.stream == frames[0].stream:
                self._take_in(peer, frames, first, asked=True)

    def answered(self, gap: Gap, oldest: int | None) -> None:
        """All of an answer came: what the publisher no longer has is lost. None: it did not answer."""
        with self._lock:
            if (peer := self._peers.get(gap.publisher)) is not None:
                self._deliver(peer, peer.answered(monotonic(), gap, oldest, self._inbox.room()))

    def gone(self, publisher: int) -> None:
        """A publisher is no longer there: what it owes is lost, or waited for where it is durable."""
        with self._lock:
            if (peer := self._peers.get(publisher)) is not None:
                self._gone[publisher] = None
                self._deliver(peer, peer.abandon(self._inbox.room()))

    # --- the reader's side -------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Frame | None:
        """As :meth:`weft.stream.base.Subscription.get`."""
        if self._in_hand is not None and self._positions is not None:
            self._positions.delivered(self._in_hand)
            self._in_hand = None
        found = self._next(timeout)
        if found is None:
            return None
        frame, self._in_hand = found
        return frame

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark | None] | None:
        """The next frame, and what to call :meth:`delivered` with when it need not come again."""
        self._tells = True
        return self._next(timeout)

    def _next(self, timeout: float | None) -> tuple[Frame, Mark | None] | None:
        if self._behind and monotonic() >= self._look_at:
            self._recover(monotonic())
        found = self._inbox.take() or self._wait(timeout)
        if found is None:
            return None
        self._received += 1
        return found if found[1] is None else self._handed(*found)

    def delivered(self, mark: Mark) -> None:
        """The reader is done with this frame of a durable stream."""
        if self._positions is not None:
            self._positions.delivered(mark)
            self._inbox.wake()  # who waits for the next saves it

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.get()) is not None:
            yield frame

    def close(self) -> None:
        """Nothing more comes. What still waits for a consumer with a name it gets the next time.

        One that says itself what is delivered may still do so, until this is called a second time.
        """
        last = self._inbox.closed or not self._tells
        self._inbox.close()
        if self._positions is not None:
            while self._inbox.take() is not None:
                pass
            self._positions.close(wait=not last)

    @property
    def unfinished(self) -> bool:
        """True when it was closed, and may still be told what is delivered."""
        return self._positions is not None and self._positions.waits

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
                "again": self._again,
                "malformed": self.malformed,
                "refused": self.refused,
            }

    # --- helpers -----------------------------------------------------------------------

    def _wait(self, timeout: float | None) -> tuple[Frame, Mark | None] | None:
        """The next frame, with its mark, when there is one; asks for those that are missing in the meantime."""
        inbox = self._inbox
        deadline = None if timeout is None else monotonic() + timeout
        while not inbox.ended:
            if self._positions is not None:
                self._positions.save()
            wait = self._recover(monotonic()) if self._behind else _NOTHING_DUE_S
            if deadline is not None and (left := deadline - monotonic()) < wait:
                wait = left
            if wait > 0 or len(inbox):
                inbox.wait(wait)
            if (found := inbox.take()) is not None:
                return found
            if wait <= 0:
                return None
        return None

    def _recover(self, now: float) -> float:
        """Ask for what is missing; the seconds after which to look again. Who was closed asks nobody any more."""
        if self._inbox.closed:
            return _NOTHING_DUE_S
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

    def _take_in(self, peer: Recovery[Numbered], frames: Sequence[Frame], first: int, *, asked: bool) -> None:
        """Frames that do not simply follow what came before, or that were asked for."""
        peer.heard_at = monotonic()
        room = self._inbox.room()
        ready: list[Numbered] = []
        if peer.beyond(first):
            ready = peer.beat(first + len(frames) - 1, room)
        else:
            for number, frame in enumerate(frames, first):
                ready += peer.take(number, (frame, number), room - len(ready), asked=asked)
        self._deliver(peer, ready)

    def _deliver(self, peer: Recovery[Numbered], frames: Sequence[Numbered], *, wake: bool = True) -> None:
        """Hand frames to the reader, and remember whether their publisher owes more."""
        if self._positions is not None:
            for frame, number in frames:
                self._put(peer, frame, number)
        elif frames:
            self._inbox.put_all([frame for frame, _ in frames], live=False)
        if peer.idle:
            self._behind.pop(peer.publisher, None)
            return
        self._behind[peer.publisher] = peer
        if wake:
            self._inbox.wake()

    def _put(self, peer: Recovery[Numbered], frame: Frame, number: int) -> None:
        tracked = peer.durable and self._positions is not None
        self._inbox.put(frame, live=False, mark=Mark(peer.publisher, number) if tracked else None)

    def _handed(self, frame: Frame, mark: Mark) -> tuple[Frame, Mark] | None:
        """Note that this frame is given out now; marked where it may have been before. None when it was closed."""
        assert self._positions is not None
        again = self._positions.hand(mark)
        if again:
            self._again += 1
            frame = marked(frame)
        return None if again is None else (frame, mark)

    def _had(self, publisher: int, number: int) -> int:
        """How many of a live publisher's frames, from this one on, came already as the answer for who comes late."""
        last = self._begun.get(publisher)
        if last is None and (last := self._begin_live(publisher, -1)) is None:
            return 0
        return max(0, last + 1 - number)

    def _begin_live(self, publisher: int, number: int) -> int | None:
        """A live publisher's first frame came: its last one, with that number, or -1 for one it has just sent.

        None where it was the first indeed, else what was said then.
        """
        with self._lock:
            if publisher in self._begun:
                return self._begun[publisher]
            if len(self._begun) >= MAX_PUBLISHERS:
                self._begun.pop(next(iter(self._begun)))
            self._begun[publisher] = number
            return None

    def _begin(self, publisher: int, stream: str, first: int, flags: int, age_ms: int) -> Recovery[Numbered]:
        """Follow a publisher from this number on; from its very first where it started after this began to listen.

        In a durable stream a consumer with a name goes on where it was.
        """
        if len(self._peers) >= MAX_PUBLISHERS:
            gone = (other for other in self._gone if self._peers[other].gone)
            self._forget(next(gone, next(iter(self._peers))))
        if age_ms < (monotonic() - self._opened_at) * 1000:
            first = 0
        durable = bool(flags & DURABLE)
        if durable and self._positions is not None:
            first = self._positions.begin(publisher, stream, first)
            self._inbox.wake()  # the reader saves it
        peer = self._peers[publisher] = Recovery(publisher, stream, first, _size, durable=durable)
        return peer

    def _forget(self, publisher: int) -> None:
        peer = self._peers.pop(publisher)
        self._gone.pop(publisher, None)
        self._behind.pop(publisher, None)
        peer.forget()
        self._past["lost"] += peer.lost
        self._past["recovered"] += peer.recovered


def _size(numbered: Numbered) -> int:
    return len(numbered[0].payload)
