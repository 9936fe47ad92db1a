"""Groups within one process: publishers and members, without a network between them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.core.streams import matches_any
from weft.stream.base import Group, GroupInfo, Mark, SubscribeOptions
from weft.stream.members import key_by
from weft.stream.share import Note, Report, Share, total
from weft.stream.taking import Taking
from weft.stream.wire import AGAIN, LATEST, RELIABLE

if TYPE_CHECKING:
    from weft.stream.local import LocalPublisher


class LocalGroupSubscription:
    """A member of a group."""

    def __init__(
        self, groups: LocalGroups, ident: int, patterns: Sequence[str], options: SubscribeOptions, group: Group
    ) -> None:
        self.ident = ident
        self.patterns = tuple(patterns)
        self.options = options
        self.group = group
        # Here nothing is sent a second time: how much a member is given is bounded where it is given.
        self.taking = Taking(options.queue, self._note, most_bytes=sys.maxsize)
        self._groups = groups
        self._due: dict[int, None] = {}

    @property
    def counters(self) -> dict[str, int]:
        """What came of the frames."""
        return {**self.taking.counters, "malformed": 0, "refused": 0}

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; the one before it is delivered."""
        self.taking.deliver_last()
        self._report()
        return self.taking.get(timeout)

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark | None] | None:
        """The next frame, and what to say when it is delivered."""
        return self.taking.receive(timeout)

    def delivered(self, mark: Mark) -> None:
        """A frame is done."""
        self.taking.delivered(mark)
        self._report()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.get()) is not None:
            yield frame

    def close(self) -> None:
        """Take no more. What waits goes to other members; it stays one until what the reader has is done."""
        self.taking.close()
        self._report()

    def _note(self, publisher: int) -> None:
        self._due[publisher] = None

    def _report(self) -> None:
        """Tell publishers what became of what they gave."""
        while self._due:
            try:
                publisher, _ = self._due.popitem()
            except KeyError:  # another reader was faster
                break
            if (report := self.taking.report(publisher)) is not None:
                self._groups.heard(publisher, self.ident, report)
        if self.taking.ended:
            self._groups.leave(self)


class Sharing:
    """The groups that take one publisher's stream."""

    def __init__(self, ident: int, publisher: LocalPublisher) -> None:
        self.stream = publisher.stream
        self.ident = ident
        self._publisher = publisher
        self._lock = RLock()
        self._members: dict[int, LocalGroupSubscription] = {}
        self._shares: dict[str, tuple[str, Share[Frame]]] = {}

    @property
    def unfinished(self) -> bool:
        """Members may yet do what was offered to them."""
        with self._lock:
            return any(share.unfinished for _, share in self._shares.values())

    @property
    def closed(self) -> bool:
        """Its publisher sends nothing more."""
        return self._publisher.closed

    @property
    def counters(self) -> dict[str, int]:
        """What became of the frames, of all groups together."""
        return total(share for _, share in self._shares.values())

    @property
    def groups(self) -> tuple[GroupInfo, ...]:
        """Those that are there now."""
        shares = sorted(self._shares.items())
        return tuple(GroupInfo(name, by, share.members) for name, (by, share) in shares if share.members)

    def offer(self, frame: Frame) -> None:
        """Give a frame to one member of each group."""
        with self._lock:
            for by, share in self._shares.values():
                share.offer(frame, key_by(by, frame, self.stream), len(frame.payload), monotonic())

    def join(self, member: LocalGroupSubscription) -> None:
        """A member is there: the first of a group gets the last frame, where that is kept."""
        if not matches_any(member.patterns, self.stream):
            return
        with self._lock:
            name, new = member.group.name, member.group.name not in self._shares
            if new:
                self._shares[name] = member.group.by, self._share(keyed=bool(member.group.by))
            by, share = self._shares[name]
            self._members[member.ident] = member
            share.join(member.ident, member.options.queue, monotonic())
            wanted = new and member.options.latest and self._publisher.flags & LATEST
            if wanted and (last := self._publisher.memory.last) is not None:
                share.offer(last, key_by(by, last, self.stream), len(last.payload), monotonic())

    def leave(self, member: LocalGroupSubscription) -> None:
        """A member is gone."""
        with self._lock:
            if self._members.pop(member.ident, None) is not None:
                self._shares[member.group.name][1].leave(member.ident, monotonic())

    def heard(self, ident: int, report: Report) -> None:
        """A member reported."""
        with self._lock:
            if (member := self._members.get(ident)) is not None:
                self._shares[member.group.name][1].heard(ident, report, monotonic())

    def _share(self, *, keyed: bool) -> Share[Frame]:
        options = self._publisher.options
        return Share(
            keyed=keyed,
            reliable=bool(self._publisher.flags & RELIABLE),
            keep=options.keep,
            keep_bytes=options.keep_bytes,
            send=self._send,
            tell=self._tell,
        )

    def _send(self, member: int, number: int, frame: Frame, again: bool) -> None:
        flags = self._publisher.flags | AGAIN * again
        self._members[member].taking.take(self.ident, number, frame, flags)

    def _tell(self, member: int, note: Note, overtake: bool) -> None:
        self._members[member].taking.note(self.ident, note)


class LocalGroups:
    """All groups of a process. Nobody dies here without its members; one that closes hands back what it has."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._idents = count(1)
        self._members: tuple[LocalGroupSubscription, ...] = ()
        self._sharings: dict[int, Sharing] = {}

    def subscribe(self, patterns: Sequence[str], options: SubscribeOptions, group: Group) -> LocalGroupSubscription:
        """One more member."""
        with self._lock:
            member = LocalGroupSubscription(self, next(self._idents), patterns, options, group)
            self._members += (member,)
            sharings = list(self._sharings.values())
        for sharing in sharings:
            sharing.join(member)
        return member

    def follow(self, publisher: LocalPublisher) -> Sharing:
        """One more publisher. One of a durable stream that comes back counts from 0 for its members: it is another."""
        with self._lock:
            sharing = Sharing(next(self._idents), publisher)
            self._sharings[sharing.ident] = sharing
            members = self._members
        for member in members:
            sharing.join(member)
        return sharing

    def forget(self, sharing: Sharing) -> None:
        """A publisher was closed. What its members have not done may still go from one to another."""
        if not sharing.unfinished:
            self._sharings.pop(sharing.ident, None)

    def heard(self, publisher: int, ident: int, report: Report) -> None:
        """A member reported to a publisher."""
        if (sharing := self._sharings.get(publisher)) is not None:
            sharing.heard(ident, report)
            if sharing.closed:
                self.forget(sharing)

    def leave(self, member: LocalGroupSubscription) -> None:
        """A member is gone."""
        with self._lock:
            if member not in self._members:
                return
            self._members = tuple(other for other in self._members if other is not member)
            sharings = list(self._sharings.values())
        for sharing in sharings:
            sharing.leave(member)

    def close(self) -> None:
        """End all members."""
        for member in self._members:
            member.close()
