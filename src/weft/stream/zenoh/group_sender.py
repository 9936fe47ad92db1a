"""Sharing a publisher's frames with the members of groups, over Zenoh.

Each member has a token below the key of what it subscribes to, and takes what is given to it under a key of its own,
so that no subscriber without a group sees that. Members report back to the publisher. All of it is sent so that a
congested link drops it: frames, notes and reports that get lost are missed, and sent again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import msgspec
import zenoh
from zenoh.handlers import Callback

from weft.core.clock import monotonic
from weft.core.frame import Frame
from weft.stream.base import PublishOptions
from weft.stream.members import key_by
from weft.stream.names import GIVEN, GROUP, TAKEN, stream_of
from weft.stream.share import LOOK_S, Note, Report, Share, total
from weft.stream.spool import Message
from weft.stream.wire import RELIABLE, flags_of, mark_again, read_header, readdressed
from weft.stream.zenoh.group_tokens import GroupToken, read_token

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

MAX_GROUPS = 64
"""Groups that one publisher shares with."""

START_S = 5.0
"""A group that is found so soon after a reliable publisher began may have been there first: it gets all it sent."""

ASK_S = 1.0
"""Groups that have not answered by then are only told of."""

_REPORT = msgspec.msgpack.Decoder(Report)
_encode = msgspec.msgpack.Encoder().encode

log = logging.getLogger(__name__)

Kept = Callable[[bool], Iterable[Message]]
"""What a group gets of what was sent before it was found: the more where the publisher had only begun."""


class GroupSender:
    """The groups that take one publisher's stream. The publisher's lock is held where it is called.

    Attributes:
        active: there is a group, or was one.
    """

    def __init__(self, place: ZenohStreams, key: str, options: PublishOptions, lock: Lock, kept: Kept) -> None:
        self.active = False
        self._place = place
        self._key = key
        self._stream = stream_of(key)
        self._options = options
        self._flags = flags_of(options)
        self._lock = lock
        self._ident = secrets.randbits(64)
        self._began = monotonic()
        self._shares: dict[str, tuple[str, Share[Message]]] = {}
        self._members: dict[int, Share[Message]] = {}
        self._tokens: dict[str, int] = {}
        self._gone: set[str] | None = None
        self._ways: dict[int, zenoh.Publisher] = {}
        self._reports: dict[int, Report] = {}
        self._hearing = self._looking = False
        self._kept = kept
        self._ended = False
        self._taken: zenoh.Subscriber[None] | None = None
        session = place.session
        presence = Callback(self._presence, indirect=False)  # else Zenoh gives each publisher a thread for it
        self._found = session.liveliness().declare_subscriber(f"{key}/{GROUP}/**", presence, history=True)

    def find(self) -> None:
        """Learn of the groups that are there, once those there are links to know the key; others join later.

        Being told of them is not enough: that they all have been told of may be heard before the last of them.
        """
        self._gone = set()
        answers = self._place.session.liveliness().get(f"{self._key}/{GROUP}/**", timeout=ASK_S)
        found = [str(answer.ok.key_expr) for answer in answers if answer.ok is not None]
        self._place.keeper.note(self, partial(self._join_found, found))

    def offer(self, frame: Frame, message: Message) -> None:
        """Give a frame to one member of each group."""
        now = monotonic()
        for by, share in self._shares.values():
            share.offer(message, key_by(by, frame, self._stream), len(message[1]), now)
        self._look_soon(now)

    def lingers(self, now: float) -> bool:
        """Members still take what was offered to them."""
        return self.active and any(share.lingers(now) for _, share in list(self._shares.values()))

    @property
    def members(self) -> int:
        """How many there are, of all groups."""
        return sum(share.members for _, share in list(self._shares.values()))

    @property
    def counters(self) -> dict[str, int]:
        """What became of the frames, of all groups together."""
        return total(share for _, share in self._shares.values())

    def end(self) -> None:
        """Undeclare everything."""
        with self._lock:
            self._ended = True
            self._shares.clear()
            self._members.clear()
            ways, self._ways = self._ways, {}
        with ExitStack() as ending:  # one that fails keeps no other
            for way in ways.values():
                ending.callback(way.undeclare)
            if self._taken is not None:
                ending.callback(self._taken.undeclare)
            ending.callback(self._found.undeclare)

    # --- Zenoh's callbacks: they must not call Zenoh, nor wait ---------------------------

    def _presence(self, sample: zenoh.Sample) -> None:
        token = str(sample.key_expr)
        if (about := read_token(token)) is not None:
            there = sample.kind == zenoh.SampleKind.PUT
            if not there and self._gone is not None:
                self._gone.add(token)
            job = partial(self._joined, token, about) if there else partial(self._left, token)
            self._place.keeper.note((self._ident, token), job)

    def _report(self, sample: zenoh.Sample) -> None:
        ident = str(sample.key_expr).rpartition("/")[2]
        try:
            self._reports[int(ident, 16)] = _REPORT.decode(sample.payload.to_bytes())
        except (ValueError, msgspec.DecodeError):
            return  # nobody of Weft's: who gives no report is asked for one
        if not self._hearing:
            self._hearing = True
            self._place.keeper.do(self._hear)

    # --- on the keeper's thread ----------------------------------------------------------

    def _join_found(self, tokens: Iterable[str]) -> None:
        """Members that answered, but for those that went away meanwhile: they would never go again."""
        gone, self._gone = self._gone or (), None
        for token in tokens:
            if token not in gone and (about := read_token(token)) is not None:
                self._joined(token, about)

    def _joined(self, token: str, about: GroupToken) -> None:
        with self._lock:
            new = about.name not in self._shares
            if self._ended or (share := self._share(about.name, about.by)) is None:
                return
            self._tokens[token] = about.ident
            self._declare(about.ident)
            self._members[about.ident] = share
            share.join(about.ident, about.window, monotonic())
            if new:
                self._catch_up(about.by, share, latest=about.latest)

    def _left(self, token: str) -> None:
        with self._lock:
            ident = self._tokens.pop(token, None)
            if ident is None or ident in self._tokens.values():
                return  # another of its patterns fits this stream, too
            share = self._members.pop(ident)
            if (way := self._ways.pop(ident, None)) is not None:
                way.undeclare()
            share.leave(ident, monotonic())
            self._look_soon(monotonic())

    def _hear(self) -> None:
        with self._lock:
            self._hear_all()

    def _hear_all(self) -> None:
        self._hearing = False
        while self._reports:
            ident, report = self._reports.popitem()
            if (share := self._members.get(ident)) is not None:
                share.heard(ident, report, monotonic())

    def _look(self, now: float) -> float | None:
        with self._lock:
            self._hear_all()  # also what the keeper had no room for
            busy = [share.look(now) for _, share in self._shares.values()]
            self._looking = any(busy)
        return now + LOOK_S if self._looking else None

    # --- helpers -------------------------------------------------------------------------

    def _share(self, name: str, by: str) -> Share[Message] | None:
        if name in self._shares:
            agreed, share = self._shares[name]
            if agreed != by:
                log.warning("group '%s' shares '%s' by '%s', whatever others of it say", name, self._stream, agreed)
            return share
        if len(self._shares) >= MAX_GROUPS:
            log.warning("group '%s' gets nothing: %d groups share this stream already", name, MAX_GROUPS)
            return None
        if self._taken is None:
            taken = f"{self._key}/{TAKEN}/{self._ident:016x}/*"
            self._taken = self._place.session.declare_subscriber(taken, self._report)
        options = self._options
        made: Share[Message] = Share(
            keyed=bool(by),
            reliable=bool(self._flags & RELIABLE),
            keep=options.keep,
            keep_bytes=options.keep_bytes,
            send=self._send,
            tell=self._tell,
        )
        self._shares[name] = by, made
        self.active = True
        return made

    def _declare(self, ident: int) -> None:
        if ident not in self._ways:
            key = f"{self._key}/{GIVEN}/{ident:016x}/{self._ident:016x}"
            drop = zenoh.CongestionControl.DROP
            self._ways[ident] = self._place.session.declare_publisher(key, congestion_control=drop)

    def _catch_up(self, by: str, share: Share[Message], *, latest: bool) -> None:
        """A new group gets what it would have got, had it been known at once; or the last frame, where that is kept."""
        now = monotonic()
        early = now < self._began + START_S
        for header, payload in self._kept(early) if early or latest else ():
            frame = read_header(header).frame(payload, self._stream)
            share.offer((header, payload), key_by(by, frame, self._stream), len(payload), now)
        self._look_soon(now)

    def _look_soon(self, now: float) -> None:
        if not self._looking:
            self._looking = True
            self._place.keeper.call(self._look, now + LOOK_S)

    def _send(self, member: int, number: int, message: Message, again: bool) -> None:
        if (way := self._ways.get(member)) is not None:
            header = readdressed(message[0], self._ident, number)
            try:
                way.put(message[1], attachment=mark_again(header) if again else header)
            except zenoh.ZError:  # it counts as lost on its way
                log.debug("cannot be given to a member", exc_info=True)

    def _tell(self, member: int, note: Note, overtake: bool) -> None:
        if (way := self._ways.get(member)) is not None:
            if overtake:
                urgent = zenoh.Priority.INTERACTIVE_HIGH
                drop = zenoh.CongestionControl.DROP
                self._place.session.put(way.key_expr, _encode(note), priority=urgent, congestion_control=drop)
            else:
                way.put(_encode(note))
