"""Receiving streams over Zenoh."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from itertools import count
from typing import TYPE_CHECKING

import zenoh
from zenoh.handlers import Callback

from weft.core.clock import monotonic
from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.stream.base import MAX_PAYLOAD, Mark, SubscribeOptions
from weft.stream.batch import unpack
from weft.stream.names import ALIVE, CACHE, key_of, key_pattern, stream_of
from weft.stream.receiver import Receiver
from weft.stream.recovery import Gap
from weft.stream.wire import DURABLE, LATEST, RELIABLE, Header, Kind, read_header

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

ANSWER_S = 10.0
"""A publisher that has not answered by then is asked again; where it is gone, or its link is, that is known at once."""

GONE_S = 15.0
"""A publisher whose token went away owes nothing after so long: its link may only be cut for a while. As long as this
process itself has no link, it is not counted as gone."""

LATEST_TRIES = 4
LATEST_AGAIN_S = 0.25
"""A publisher that was just found is asked so often, and with such pauses, for the last frame it sent."""

_CACHED_KEYS = 1024

_IDENT = re.compile(r"[0-9a-f]{16}")
_FLAGS = re.compile(r"[0-9]{1,5}")
_FRAME, _BEAT, _BATCH = int(Kind.FRAME), int(Kind.BEAT), int(Kind.BATCH)
_stream_of = lru_cache(_CACHED_KEYS)(stream_of)

log = logging.getLogger(__name__)


class ZenohSubscription:
    """Receives the streams that fit any of some patterns, of the site and of all sites."""

    def __init__(self, place: ZenohStreams, patterns: Sequence[str], options: SubscribeOptions) -> None:
        self._place = place
        self._receiver = Receiver(options, self._ask)
        self._open = True
        self._warned = False
        self._asks = (LATEST if options.latest else 0) | (DURABLE if options.consumer else 0)
        self._gone: dict[int, float] = {}
        session = place.session
        keys = [key_pattern(pattern, scope) for pattern in patterns for scope in place.scopes]
        with ExitStack() as failed, ExitStack() as made:
            failed.callback(self._receiver.close)
            for key in keys:
                made.callback(session.declare_subscriber(key, self._sample).undeclare)
                # Those who are there already are told, too: each is asked for its last frame until it answers.
                alive = f"{key}/{ALIVE}/**"
                tokens = session.liveliness().declare_subscriber(alive, self._presence, history=bool(self._asks))
                made.callback(tokens.undeclare)
            if options.latest:
                for key in keys:
                    self._query(f"{key}/{CACHE}/*?latest", self._first)
            self._ending = made.pop_all()
            failed.pop_all()

    @property
    def counters(self) -> dict[str, int]:
        """What came of the frames."""
        return self._receiver.counters

    def get(self, timeout: float | None = None) -> Frame | None:
        """The next frame; the one before it is delivered."""
        return self._receiver.get(timeout)

    def receive(self, timeout: float | None = None) -> tuple[Frame, Mark | None] | None:
        """The next frame, and what to say when it is delivered."""
        return self._receiver.receive(timeout)

    def delivered(self, mark: Mark) -> None:
        """This frame need not come again."""
        self._receiver.delivered(mark)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._receiver)

    def close(self) -> None:
        """Stop receiving; the second time also stop hearing what was delivered."""
        with ExitStack() as ending:  # one that fails keeps no other
            ending.callback(self._leave_when_done)
            ending.callback(self._receiver.close)
            if self._open:
                self._open = False
                ending.callback(self._ending.close)

    # --- Zenoh's callbacks: they must not call Zenoh -----------------------------------

    def _sample(self, sample: zenoh.Sample) -> None:
        header = self._header(sample)
        if header is None:
            return
        stream = _stream_of(str(sample.key_expr))
        if header.kind == _FRAME:
            frame = header.frame(sample.payload.to_bytes(), stream)
            self._receiver.take(frame, header.publisher, header.number, header.flags, header.age_ms)
        elif header.kind == _BATCH:
            if (frames := self._unpacked(header, sample, stream)) is not None:
                self._receiver.take_all(frames, header.publisher, header.number, header.flags, header.age_ms)
        elif header.kind == _BEAT and header.flags & RELIABLE:
            self._receiver.beat(stream, header.publisher, header.number, header.flags, header.age_ms)

    def _first(self, reply: zenoh.Reply) -> None:
        if (found := self._read_reply(reply)) is None:
            return
        header, frame = found
        if header.kind == Kind.FRAME:
            self._receiver.first(frame, header.publisher, header.number, header.flags)
        elif header.kind == Kind.BEAT and header.flags & RELIABLE:
            self._receiver.beat(frame.stream, header.publisher, header.number, header.flags, header.age_ms)

    def _answer(self, reply: zenoh.Reply, *, gap: Gap, done: list[bool]) -> None:
        if (found := self._read_reply(reply)) is None or done[0] or found[0].publisher != gap.publisher:
            return
        header, frame = found
        if header.kind == Kind.OLDEST:
            done[0] = True
            self._receiver.answered(gap, header.number)
        elif header.kind == Kind.FRAME:
            self._receiver.take_asked([frame], gap.publisher, header.number)
        elif header.kind == Kind.BATCH and reply.ok is not None:
            frames = self._unpacked(header, reply.ok, frame.stream)
            self._receiver.take_asked(frames or [], gap.publisher, header.number)

    def _presence(self, sample: zenoh.Sample) -> None:
        key, _, token = str(sample.key_expr).partition(f"/{ALIVE}/")
        ident, _, flags = token.partition("/")
        if not _IDENT.fullmatch(ident) or not _FLAGS.fullmatch(flags):
            self._receiver.malformed += 1  # a token that no Weft declared
            return
        publisher = int(ident, 16)
        if sample.kind == zenoh.SampleKind.PUT:
            self._gone.pop(publisher, None)
            if int(flags) & self._asks:
                # What it sent before it knew of this subscription went to others only.
                ask = partial(self._ask_latest, f"{key}/{CACHE}/{ident}?latest", LATEST_TRIES)
                self._place.keeper.note((self, publisher), ask)
        else:
            self._gone[publisher] = monotonic()
            self._place.keeper.call(partial(self._give_up, publisher), monotonic() + GONE_S)

    # --- helpers -----------------------------------------------------------------------

    def _leave_when_done(self) -> None:
        if not self._receiver.unfinished:
            self._place.leave(self)

    def _header(self, sample: zenoh.Sample) -> Header | None:
        """The header of a sample; None, counted, for one that is malformed or too large."""
        attachment = sample.attachment
        if len(sample.payload) > MAX_PAYLOAD:
            self._receiver.refused += 1
            return None
        try:
            return read_header(attachment.to_bytes() if attachment is not None else b"")
        except InputError as error:
            self._malformed(sample, error)
            return None

    def _unpacked(self, header: Header, sample: zenoh.Sample, stream: str) -> list[Frame] | None:
        """The frames of a batch; None, counted, where it is malformed."""
        try:
            return unpack(header, sample.payload.to_bytes(), stream)
        except InputError as error:
            self._malformed(sample, error)
            return None

    def _malformed(self, sample: zenoh.Sample, error: InputError) -> None:
        if not self._warned:
            self._warned = True
            log.warning("a frame on '%s' was refused: %s", stream_of(str(sample.key_expr)), error)
        self._receiver.malformed += 1

    def _read_reply(self, reply: zenoh.Reply) -> tuple[Header, Frame] | None:
        sample = reply.ok
        if sample is None or (header := self._header(sample)) is None:
            return None
        return header, header.frame(sample.payload.to_bytes(), stream_of(str(sample.key_expr)))

    def _ask(self, gap: Gap, stream: str) -> None:
        """Ask a publisher for what is missing; called by the reader."""
        done = [False]
        ends = count(1)
        take = partial(self._answer, gap=gap, done=done)
        end = partial(self._unanswered, gap, done, ends)
        for scope in self._place.scopes:
            selector = f"{key_of(stream, scope)}/{CACHE}/{gap.publisher:016x}?first={gap.first};last={gap.last}"
            self._query(selector, take, end)

    def _query(self, selector: str, take: Callable[[zenoh.Reply], None], end: Callable[[], None] | None = None) -> None:
        self._place.session.get(
            selector,
            Callback(take, end),
            target=zenoh.QueryTarget.ALL,
            consolidation=zenoh.ConsolidationMode.NONE,
            congestion_control=zenoh.CongestionControl.DROP,
            timeout=ANSWER_S,
        )

    def _ask_latest(self, selector: str, tries: int) -> None:
        """Ask one publisher for its last frame, and again where no answer came: it may have got lost."""
        answers: list[bool] = []

        def take(reply: zenoh.Reply) -> None:
            answers.append(True)
            self._first(reply)

        def again(now: float) -> None:
            if self._open:
                self._ask_latest(selector, tries - 1)

        def end() -> None:
            if not answers and tries > 1:
                self._place.keeper.call(again, monotonic() + LATEST_AGAIN_S)

        self._query(selector, take, end)

    def _unanswered(self, gap: Gap, done: list[bool], ends: count[int]) -> None:
        """A question has ended; where the last scope's has, and none was answered, ask again later."""
        if next(ends) == len(self._place.scopes) and not done[0]:
            done[0] = True
            self._receiver.answered(gap, None)

    def _give_up(self, publisher: int, now: float) -> float | None:
        """The publisher's token went away a while ago. None when that is settled, else when to look again."""
        since = self._gone.get(publisher)
        if since is None or not self._open:
            return None
        if not self._place.connected:
            self._gone[publisher] = now
            return now + GONE_S
        if now < since + GONE_S:
            return since + GONE_S
        del self._gone[publisher]
        self._receiver.gone(publisher)
        return None
