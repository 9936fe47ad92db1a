"""How one publisher shares its frames among the members of a group: the logic alone, without threads or network.

Each frame is given to one member, which keeps reporting what it has in hand and what is done. What a member that is
gone, or says nothing any more, had not done is given to another one. A member has no more in hand than it has room for;
what finds nobody with room waits here, within bounds.

Frames given to one member are numbered for it. From time to time it is sent a note with a count, on the same way as the
frames: a frame that was given before a note the member has seen, and that it does not have, got lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from weft.stream.members import owner

T = TypeVar("T")

LOOK_S = 0.1
"""How often somebody should :meth:`Share.look`, while there is anything to look after."""

ASK_S = 0.15
"""A member that has something in hand is asked for a report so often …"""

SILENT_S = 0.6
UNHEARD = 3
"""… and one that has not answered for this time and so many questions gets nothing more until it does."""

EMPTY_S = 15.0
"""A group without members keeps what waits for so long: its only member may be started again."""

HAND_BYTES = 128 * 2**20
"""A member with so many bytes in hand has no room for more, whatever its window."""

MOST_MOVES = 5
"""A frame that so many members have not survived is given up."""

LINGER_S = 0.5
"""A publisher that ends waits no longer for members that finish nothing."""

_OTHERS_S = 1.0
_MAX_OWNERS = 4096


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What a publisher tells a member.

    Attributes:
        beat: counts the notes that come on the same way as frames; 0 for one that overtakes them.
        floor: frames with lower numbers are no business of this member any more, unless they are being worked on.
    """

    beat: int
    floor: int


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What a member tells a publisher of the frames it was given.

    Attributes:
        beat: the last note it has seen.
        next: what has a lower number has come, …
        hand: … and is done, but for these.
        held: what has come out of its turn.
        back: frames it will not work on.
        load: frames it has in hand from all publishers.
        leaving: it wants no more.
    """

    beat: int
    next: int
    hand: list[int]
    held: list[int]
    back: list[int]
    load: int
    leaving: bool


@dataclass(slots=True, eq=False)
class Given(Generic[T]):
    """A frame on its way: ``turn`` is its place in the publisher's order, ``beat`` the last note before it was sent."""

    turn: int
    key: str
    message: T
    size: int
    moves: int = 0
    beat: int = 0


@dataclass(slots=True, eq=False)
class Member(Generic[T]):
    """A member of the group, seen from one publisher."""

    ident: int
    window: int
    floor: int
    number: int
    heard_at: float
    beat: int = 0
    others: int = 0
    unheard: int = 0
    asked_at: float = 0.0
    silent: bool = False
    leaving: bool = False
    bytes: int = 0
    given: dict[int, Given[T]] = field(default_factory=dict)

    def room(self, now: float) -> bool:
        """It can take one more. One in hand from each publisher is always possible, so that none of them starves."""
        if self.silent or self.leaving:
            return False
        others = self.others if now < self.heard_at + _OTHERS_S else 0
        return not self.given or (len(self.given) < self.window - others and self.bytes < HAND_BYTES)

    @property
    def load(self) -> tuple[int, int, int]:
        """Who is the least busy has the lowest; among the idle, who got the fewest so far."""
        return len(self.given) + self.others, self.number - self.floor, self.ident


Send = Callable[[int, int, T, bool], None]
"""Sends a message to a member, with its number there, and whether it may have been delivered before."""

Tell = Callable[[int, Note, bool], None]
"""Sends a note to a member, on the frames' way or so that it overtakes them."""


class Share(Generic[T]):
    """The members of one group that take a publisher's stream, what they have in hand, and what waits.

    Attributes:
        given: frames given to members.
        moved: frames given to another member, because the first one did not finish them.
        sent_again: frames that got lost on their way, and were sent to the same member again.
        dropped: live frames for which nobody had room in time.
        lost: reliable frames given up: more waited than are kept, or no member survived them.
    """

    def __init__(self, *, keyed: bool, reliable: bool, keep: int, keep_bytes: int, send: Send[T], tell: Tell) -> None:
        self.given = self.moved = self.sent_again = self.dropped = self.lost = 0
        self._keyed = keyed
        self._reliable = reliable
        self._keep = keep if reliable else 1
        self._keep_bytes = keep_bytes
        self._send = send
        self._tell = tell
        self._members: dict[int, Member[T]] = {}
        self._waiting: dict[str, deque[Given[T]]] = {}
        self._count = self._bytes = 0
        self._turn = self._numbers = 0
        self._held_by: dict[str, tuple[int, int]] = {}
        self._owners: dict[str, int | None] = {}
        self._empty_since = self._done_at = 0.0

    @property
    def members(self) -> int:
        """How many there are."""
        return len(self._members)

    @property
    def unfinished(self) -> bool:
        """Some member may yet do what was offered."""
        return bool(self._members) and (self._count > 0 or any(member.given for member in self._members.values()))

    def lingers(self, now: float) -> bool:
        """A publisher that ends waits for this: until all is given, and what was given goes on being done."""
        return self.unfinished and (self._count > 0 or now < self._done_at + LINGER_S)

    def join(self, ident: int, window: int, now: float) -> None:
        """A member is there; the second time nothing happens."""
        if ident in self._members:
            return
        member = self._members[ident] = Member(ident, max(1, window), self._numbers, self._numbers, now)
        self._owners.clear()
        self._note(member)
        self._pump(now)

    def leave(self, ident: int, now: float) -> None:
        """A member is gone: others get what it had not done."""
        if (member := self._members.pop(ident, None)) is not None:
            self._numbers = max(self._numbers, member.number)
            self._owners.clear()
            self._empty_since = now
            self._move(member, list(member.given))
            self._pump(now)

    def offer(self, message: T, key: str, size: int, now: float) -> None:
        """Give a frame to a member, now or when one has room."""
        self._turn += 1
        given = Given(self._turn, key, message, size)
        if key not in self._waiting and (member := self._choose(key, now)) is not None:
            self._give(member, given, now)
        else:
            self._wait(given)

    def heard(self, ident: int, report: Report, now: float) -> None:
        """A member reported."""
        member = self._members.get(ident)
        if member is None:
            return
        member.heard_at, member.unheard = now, 0
        member.others = max(0, report.load - len(report.hand))
        if member.silent or member.leaving != report.leaving:
            member.silent, member.leaving = False, report.leaving
            self._owners.clear()
        before = len(member.given)
        self._settle(member, report)
        if len(member.given) < before:
            self._done_at = now
        if back := [number for number in report.back if number in member.given]:
            self._move(member, back)
        self._pump(now)

    def look(self, now: float) -> bool:
        """Ask members for reports, and do without those that are silent. False when there is nothing to look after."""
        busy = False
        for member in list(self._members.values()):
            if member.given or member.silent:
                busy = True
                self._ask(member, now)
        if self._count:
            self._pump(now)
            if not self._members and now >= self._empty_since + EMPTY_S:
                self._forget()
        return busy or self._count > 0

    # --- helpers -----------------------------------------------------------------------

    def _choose(self, key: str, now: float) -> Member[T] | None:
        """Who gets a frame: None when that member has no room, or another one still works on the key."""
        if not self._keyed:
            free = (member for member in self._members.values() if member.room(now))
            return min(free, key=lambda member: member.load, default=None)
        if key not in self._owners:
            if len(self._owners) >= _MAX_OWNERS:
                self._owners.clear()
            there = (member.ident for member in self._members.values() if not (member.silent or member.leaving))
            self._owners[key] = owner(there, key)
        ident = self._owners[key]
        holder = self._held_by.get(key)
        if ident is None or (holder is not None and holder[0] != ident):
            return None
        member = self._members[ident]
        return member if member.room(now) else None

    def _give(self, member: Member[T], given: Given[T], now: float) -> None:
        if not member.given:
            member.heard_at, member.unheard, member.asked_at = now, 0, now
        number, member.number = member.number, member.number + 1
        given.beat = member.beat
        self._done_at = now
        member.given[number] = given
        member.bytes += given.size
        if self._keyed:
            _, held = self._held_by.get(given.key, (0, 0))
            self._held_by[given.key] = (member.ident, held + 1)
        self.given += 1
        self.moved += given.moves > 0
        self._send(member.ident, number, given.message, given.moves > 0)

    def _wait(self, given: Given[T]) -> None:
        """Keep a frame until somebody has room; what is too much goes, the oldest first."""
        lane = self._waiting.setdefault(given.key, deque())
        if lane and lane[-1].turn > given.turn:
            lane.append(given)
            self._waiting[given.key] = deque(sorted(lane, key=lambda other: other.turn))
        else:
            lane.append(given)
        self._count += 1
        self._bytes += given.size
        while len(self._waiting[given.key]) > 1 and not self._reliable:
            self._drop(given.key)
        while self._count > 1 and (self._bytes > self._keep_bytes or (self._reliable and self._count > self._keep)):
            self._drop(min(self._waiting, key=lambda key: self._waiting[key][0].turn))

    def _drop(self, key: str) -> None:
        self._take(key)
        self.lost += self._reliable
        self.dropped += not self._reliable

    def _take(self, key: str) -> Given[T]:
        """The oldest of those that wait."""
        lane = self._waiting[key]
        given = lane.popleft()
        if not lane:
            del self._waiting[key]
        self._count -= 1
        self._bytes -= given.size
        return given

    def _pump(self, now: float) -> None:
        """Give what waits to those who have room."""
        for key in list(self._waiting):
            while key in self._waiting and (member := self._choose(key, now)) is not None:
                self._give(member, self._take(key), now)

    def _settle(self, member: Member[T], report: Report) -> None:
        """What is done needs no more care. What got lost on its way is sent again; of live frames only the newest."""
        hand, held = set(report.hand), set(report.held)
        for number, given in list(member.given.items()):
            if number < report.next:
                if number not in hand:
                    self._done(member, number)
            elif number not in held and given.beat < report.beat:
                if self._reliable or given.turn == self._turn:
                    given.beat = member.beat
                    self.sent_again += 1
                    self._send(member.ident, number, given.message, given.moves > 0)
                else:
                    self._done(member, number)
                    self.dropped += 1

    def _done(self, member: Member[T], number: int) -> Given[T]:
        """A frame is no longer in a member's hand."""
        given = member.given.pop(number)
        member.bytes -= given.size
        if self._keyed:
            ident, held = self._held_by[given.key]
            self._held_by[given.key] = (ident, held - 1)
            if held == 1:
                del self._held_by[given.key]
        return given

    def _move(self, member: Member[T], numbers: Iterable[int]) -> None:
        """Others are to get these frames."""
        for number in numbers:
            given = self._done(member, number)
            given.moves += 1
            if given.moves > MOST_MOVES:
                self.lost += 1
            else:
                self._wait(given)

    def _ask(self, member: Member[T], now: float) -> None:
        if now < member.asked_at + ASK_S:
            return
        if not member.silent and member.unheard >= UNHEARD and now >= member.heard_at + SILENT_S:
            member.silent = True
            self._owners.clear()
            member.floor = member.number
            self._move(member, list(member.given))
            self._pump(now)
        member.asked_at = now
        member.unheard += 1
        self._tell(member.ident, Note(0, member.floor), True)
        self._note(member)

    def _note(self, member: Member[T]) -> None:
        """A note behind everything the member was given."""
        member.beat += 1
        self._tell(member.ident, Note(member.beat, member.floor), False)

    def _forget(self) -> None:
        """Nobody came back."""
        while self._waiting:
            self._drop(next(iter(self._waiting)))


def total(shares: Iterable[Share[T]]) -> dict[str, int]:
    """The counters of several shares together; empty where there are none."""
    every = list(shares)
    names = ("given", "moved", "sent_again", "dropped", "lost")
    return {name: sum(getattr(share, name) for share in every) for name in names} if every else {}
