"""A member of a group: it takes what publishers give to it over Zenoh, and reports to them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING

import msgspec
import zenoh

from weft.core.clock import monotonic
from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.stream.base import MAX_PAYLOAD, Group, Mark, SubscribeOptions
from weft.stream.names import GIVEN, TAKEN, key_pattern, stream_of
from weft.stream.share import Note
from weft.stream.taking import MAX_PEERS, Taking
from weft.stream.wire import Kind, read_header
from weft.stream.zenoh.group_tokens import token_of

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

EXPIRE_EVERY_S = 1.0

LEAVE_S = 0.1
"""The last report has so long to arrive before the token goes; Zenoh would let that overtake it."""

_NOTE = msgspec.msgpack.Decoder(Note)
_encode = msgspec.msgpack.Encoder().encode


@lru_cache(maxsize=1024)
def _addresses(key: str) -> tuple[str, str, int]:
    """Where to report, the stream, and the publisher, in the key of something given."""
    stream, _, rest = key.partition(f"/{GIVEN}/")
    member, _, publisher = rest.partition("/")
    return f"{stream}/{TAKEN}/{publisher}/{member}", stream_of(key), int(publisher, 16)


class ZenohGroupSubscription:
    """Receives its part of the streams that fit any of some patterns, of the site and of all sites."""

    def __init__(self, place: ZenohStreams, patterns: Sequence[str], options: SubscribeOptions, group: Group) -> None:
        self._place = place
        self._taking = Taking(options.queue, self._due)
        self._lock = RLock()
        self._reports: dict[int, str] = {}
        self._waiting: set[int] = set()
        self._malformed = self._refused = 0
        self._open = True
        self._ended = False
        self._leaving = False
        ident = secrets.randbits(64)
        session = place.session
        keys = [key_pattern(pattern, scope) for pattern in patterns for scope in place.scopes]
        with ExitStack() as made:  # tokens go first: who has none is given nothing
            for key in keys:
                given = session.declare_subscriber(f"{key}/{GIVEN}/{ident:016x}/*", self._sample)
                made.callback(given.undeclare)
            for key in keys:
                made.callback(session.liveliness().declare_token(token_of(key, ident, options, group)).undeclare)
            self._ending = made.pop_all()
        place.keeper.call(self._expire, monotonic() + EXPIRE_EVERY_S)

    @property
    def counters(self) -> dict[str, int]:
        """What came of the frames."""
        return {**self._taking.counters, "malformed": self._malformed, "refused": self._refused}

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; the one before it is delivered."""
        return self._taking.get(timeout)

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark | None] | None:
        """The next frame, and what to say when it is delivered."""
        return self._taking.receive(timeout)

    def delivered(self, mark: Mark) -> None:
        """A frame is done."""
        self._taking.delivered(mark)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._taking)

    def close(self) -> None:
        """Take no more. What waits goes to other members; it stays one until what the reader has is done."""
        if self._open:
            self._open = False
            self._taking.close()
            self._place.keeper.do(self._leave_when_done)

    def lingers(self, now: float) -> bool:
        """True while there is something to report."""
        return not self._open and not self._ended and bool(self._waiting or self._leaving)

    # --- Zenoh's callbacks: they must not call Zenoh, nor wait ---------------------------

    def _sample(self, sample: zenoh.Sample) -> None:
        try:
            report, stream, publisher = _addresses(str(sample.key_expr))
            if publisher not in self._reports:
                self._meet(publisher, report)
            self._read(sample, stream, publisher)
        except (InputError, ValueError, msgspec.DecodeError):
            self._malformed += 1

    def _read(self, sample: zenoh.Sample, stream: str, publisher: int) -> None:
        attachment = sample.attachment
        if attachment is None:
            self._taking.note(publisher, _NOTE.decode(sample.payload.to_bytes()))
            return
        if len(sample.payload) > MAX_PAYLOAD:
            self._refused += 1
            return
        header = read_header(attachment.to_bytes())
        if header.kind == Kind.FRAME:
            frame = header.frame(sample.payload.to_bytes(), stream)
            self._taking.take(publisher, header.number, frame, header.flags)

    def _meet(self, publisher: int, report: str) -> None:
        if len(self._reports) >= MAX_PEERS:
            self._reports.pop(next(iter(self._reports)))
        self._reports[publisher] = report

    def _due(self, publisher: int) -> None:
        """A publisher is to get a report: soon, together with what else happens until then."""
        with self._lock:
            first = not self._waiting
            self._waiting.add(publisher)
        if first:
            self._place.keeper.do(self._tell)

    # --- on the keeper's thread ----------------------------------------------------------

    def _tell(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for publisher in waiting:
            self._report(publisher)
        if not self._open:
            self._leave_when_done()

    def _report(self, publisher: int) -> None:
        report, key = self._taking.report(publisher), self._reports.get(publisher)
        if report is not None and key is not None and not self._ended:
            urgent, drop = zenoh.Priority.INTERACTIVE_HIGH, zenoh.CongestionControl.DROP
            self._place.session.put(key, _encode(report), priority=urgent, congestion_control=drop)

    def _expire(self, now: float) -> float | None:
        self._taking.expire(now)
        self._tell()  # also what the keeper had no room for
        return None if self._ended else now + EXPIRE_EVERY_S

    def _leave_when_done(self) -> None:
        if self._taking.ended and not self._leaving:
            self._leaving = True
            self._place.keeper.call(self._end, monotonic() + LEAVE_S)

    def _end(self, now: float) -> None:
        self._ended = True
        with ExitStack() as ending:  # also when something cannot be undeclared
            ending.callback(self._place.leave, self)
            ending.callback(self._ending.close)
