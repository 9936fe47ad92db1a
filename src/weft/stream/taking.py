"""What a member of a group has in hand: frames that publishers gave to it, until each of them is done.

The frames of a reliable publisher are handed on in its order; one that comes out of its turn is held back until the
publisher has sent again what got lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Condition, RLock

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.stream.base import Mark, marked
from weft.stream.inbox import MAX_BYTES
from weft.stream.share import Note, Report
from weft.stream.wire import AGAIN, RELIABLE

MAX_PEERS = 4096
"""Publishers it keeps account of; beyond that one that has nothing in its hand is forgotten."""

MOST = 4096
"""Frames in hand from all publishers, whatever they believe."""

PATIENCE_S = 15.0
"""What is held back is handed on after so long without a word from its publisher."""


@dataclass(slots=True, eq=False)
class _Peer:
    """A publisher; ``next`` is -1 until it has said where it begins."""

    next: int = -1
    beat: int = 0
    floor: int = 0
    heard_at: float = 0.0
    hand: dict[int, Frame] = field(default_factory=dict)
    held: dict[int, Frame] = field(default_factory=dict)
    back: list[int] = field(default_factory=list)


class Taking:
    """The frames of one member.

    Args:
        window: live frames that wait beyond this push older ones out.
        tell: called with a publisher that is to get a report; from any thread, while this is locked.
        most_bytes: of frames that wait. What is beyond that is refused, and sent again later.

    Attributes:
        received: frames the reader got.
        dropped: live frames that others pushed out, and those of any kind there was no room for.
        lost: frames that were waited for in vain.
        recovered: frames that were held back until others had come.
        withdrawn: frames others got because this member had been silent.
        again: frames that may have been delivered before.
    """

    def __init__(self, window: int, tell: Callable[[int], None], most_bytes: int = MAX_BYTES) -> None:
        self.received = self.dropped = self.lost = self.recovered = self.withdrawn = self.again = 0
        self._window = max(1, window)
        self._tell = tell
        self._most_bytes = most_bytes
        self._peers: dict[int, _Peer] = {}
        self._queue: deque[tuple[int, int, bool]] = deque()
        self._out: set[Mark] = set()
        self._last: Mark | None = None
        self._bytes = self._in_hand = 0
        self._changed = Condition(RLock())  # whoever drops the last of a frame may hold it already
        self._open = True

    # --- the network's side ------------------------------------------------------------

    def take(self, publisher: int, number: int, frame: Frame, flags: int) -> None:
        """A frame came."""
        reliable = flags & RELIABLE != 0
        if flags & AGAIN:
            frame = marked(frame)
        with self._changed:
            peer = self._peer(publisher)
            if number < max(peer.next, peer.floor) or number in peer.held:
                pass  # it came twice, or too late
            elif not self._open:
                peer.back.append(number)
            elif self._fits(frame, reliable=reliable):
                self.again += flags & AGAIN != 0
                if not reliable:
                    peer.next = number
                    self._accept(publisher, peer, number, frame, live=True)
                else:
                    peer.held[number] = frame
                    self._bytes += len(frame.payload)
                    self.recovered += number != peer.next
                    self._advance(publisher, peer)
            self._tell(publisher)

    def note(self, publisher: int, note: Note) -> None:
        """A publisher says where it is, and wants to hear the same."""
        with self._changed:
            peer = self._peer(publisher)
            peer.beat = max(peer.beat, note.beat)
            peer.floor = max(peer.floor, note.floor)
            self._withdraw(publisher, peer)
            peer.next = max(peer.next, peer.floor)
            self._advance(publisher, peer)
            self._tell(publisher)

    def report(self, publisher: int) -> Report | None:
        """What to tell a publisher now; None for one that never gave anything."""
        with self._changed:
            peer = self._peers.get(publisher)
            if peer is None:
                return None
            hand, held, back = list(peer.hand), list(peer.held), list(peer.back)
            return Report(peer.beat, peer.next, hand + back, held, back, self._in_hand, not self._open)

    def expire(self, now: float) -> bool:
        """Hand on what is held back for a publisher that says nothing any more. True while something is."""
        with self._changed:
            for publisher, peer in self._peers.items():
                if peer.held and now >= peer.heard_at + PATIENCE_S:
                    for number in sorted(peer.held):
                        self.lost += number - peer.next if peer.next >= 0 else 0
                        peer.next = number
                        self._advance(publisher, peer)
            return any(peer.held for peer in self._peers.values())

    # --- the reader's side -------------------------------------------------------------

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; None when none comes in time, or it was closed. The one before it is done."""
        self.deliver_last()
        with self._changed:
            found = self.receive(timeout)
            if found is None:
                return None
            frame, self._last = found
            return frame

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark] | None:
        """As :meth:`get`, for those who say themselves when a frame is :meth:`delivered`."""
        with self._changed:
            deadline = None if timeout is None else monotonic() + timeout
            while (found := self._next()) is None and self._open:
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            return found

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.get()) is not None:
            yield frame

    def delivered(self, mark: Mark) -> None:
        """A frame is done; the second time nothing happens."""
        with self._changed:
            if mark in self._out:
                self._out.discard(mark)
                if (peer := self._peers.get(mark.publisher)) is not None:
                    self._release(peer, mark.number)
                    self._tell(mark.publisher)

    def deliver_last(self) -> None:
        """What :meth:`get` gave is done."""
        with self._changed:
            last, self._last = self._last, None
            if last is not None:
                self.delivered(last)

    def close(self) -> None:
        """Give back what waits, and what :meth:`get` gave last: others get it.

        What the reader has to say itself that it is :meth:`delivered` can still be done.
        """
        with self._changed:
            self._open = False
            self._queue.clear()
            if self._last is not None:
                self._out.discard(self._last)
                self._last = None
            for publisher, peer in self._peers.items():
                back = [number for number in peer.hand if (publisher, number) not in self._out]
                for number in back:
                    self._release(peer, number)
                peer.back += [*back, *peer.held]
                peer.held.clear()
                if peer.back or peer.hand:
                    self._tell(publisher)
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """True when it is closed and nothing is in hand."""
        with self._changed:
            return not self._open and not self._in_hand

    @property
    def in_hand(self) -> int:
        """Frames that are not done."""
        with self._changed:
            return self._in_hand

    @property
    def counters(self) -> dict[str, int]:
        """As :attr:`weft.stream.base.Subscription.counters`, and ``withdrawn``."""
        names = ("received", "dropped", "lost", "recovered", "again", "withdrawn")
        return {name: getattr(self, name) for name in names}

    # --- helpers, with the lock held ---------------------------------------------------

    def _peer(self, publisher: int) -> _Peer:
        peer = self._peers.get(publisher)
        if peer is None:
            if len(self._peers) >= MAX_PEERS:
                idle = (ident for ident, other in self._peers.items() if not other.hand and not other.held)
                self._forget(next(idle, next(iter(self._peers))))
            peer = self._peers[publisher] = _Peer()
        peer.heard_at = monotonic()
        return peer

    def _forget(self, publisher: int) -> None:
        peer = self._peers.pop(publisher)
        for number in list(peer.hand):
            self._release(peer, number)
        self._bytes -= sum(len(frame.payload) for frame in peer.held.values())

    def _fits(self, frame: Frame, *, reliable: bool) -> bool:
        """Whether there is room; for live frames some is made. A reliable one is sent again later."""
        size = len(frame.payload)
        most = self._most_bytes - size
        while not reliable and self._queue and (len(self._queue) >= self._window or self._bytes > most):
            if not self._push_out():
                break
        if not self._queue or (len(self._queue) < MOST and self._bytes <= most):
            return True
        self.dropped += 1
        return False

    def _push_out(self) -> bool:
        """Drop the oldest live frame that nobody has read yet."""
        for index, (publisher, number, live) in enumerate(self._queue):
            if live:
                del self._queue[index]
                if (peer := self._peers.get(publisher)) is not None:
                    self.dropped += self._release(peer, number)
                self._tell(publisher)
                return True
        return False

    def _accept(self, publisher: int, peer: _Peer, number: int, frame: Frame, *, live: bool) -> None:
        peer.hand[number] = frame
        self._in_hand += 1
        peer.next = number + 1
        if live:
            self._bytes += len(frame.payload)
        self._queue.append((publisher, number, live))
        self._changed.notify()

    def _advance(self, publisher: int, peer: _Peer) -> None:
        while (frame := peer.held.pop(peer.next, None)) is not None:
            self._accept(publisher, peer, peer.next, frame, live=False)

    def _release(self, peer: _Peer, number: int) -> bool:
        frame = peer.hand.pop(number, None)
        if frame is not None:
            self._in_hand -= 1
            self._bytes -= len(frame.payload)
        return frame is not None

    def _withdraw(self, publisher: int, peer: _Peer) -> None:
        """Others have what is below the floor, but for what the reader has already."""
        for number in [number for number in peer.hand if number < peer.floor]:
            if (publisher, number) not in self._out:
                self.withdrawn += self._release(peer, number)
        for number in [number for number in peer.held if number < peer.floor]:
            self._bytes -= len(peer.held.pop(number).payload)
            self.withdrawn += 1

    def _next(self) -> tuple[Frame, Mark] | None:
        while self._queue:
            publisher, number, _ = self._queue.popleft()
            peer = self._peers.get(publisher)
            if peer is not None and (frame := peer.hand.get(number)) is not None:
                mark = Mark(publisher, number)
                self._out.add(mark)
                self.received += 1
                return frame, mark
        return None
