"""Publishing one stream over Zenoh."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, cast

import zenoh
from zenoh.handlers import Callback

from weft.core.clock import monotonic
from weft.core.errors import PipelineError, UsageError
from weft.core.frame import Frame
from weft.stream.base import PublishOptions, checked
from weft.stream.batch import GATHER_S, Gatherer, apart, bundled
from weft.stream.names import ALIVE, CACHE, GROUP
from weft.stream.recovery import BATCH
from weft.stream.sent import Memory, Sent
from weft.stream.spool import Message, Spool, spool_path
from weft.stream.wire import DURABLE, LATEST, RELIABLE, HeaderWriter, Kind, flags_of, mark_again
from weft.stream.zenoh.group_sender import GroupSender

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

BEATS_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""After the last frame, a reliable publisher says its number so often, then every last of them."""

LINGER_S = 1.0
"""A closed publisher stays for those who still ask: until nobody has for that long …"""

MOST_LINGER_S = 30.0
"""… but no longer than this."""

ARRIVE_S = 5.0
"""A new publisher waits no longer for those it has links to; a link that is cut is known by then."""

ANSWER_BYTES = 2 * 2**20
"""One answer sends no more than that again, and one frame."""


class ZenohPublisher:
    """Sends the frames of one stream, under its key.

    Everything is sent so that a congested link drops it: one consumer that stops reading must cost nobody anything.
    What a reliable stream lost that way its consumers ask for, in Zenoh queries that this publisher answers. A durable
    one answers from its spool, which also holds what earlier publishers of this stream sent: it goes on as one of them.
    """

    def __init__(self, place: ZenohStreams, key: str, stream: str, options: PublishOptions) -> None:
        self.key = key
        self.stream = stream
        self.options = options
        self.flags = flags_of(options)
        self.spool = Spool(spool_path(options.spool, key), options.spool) if self.flags & DURABLE else None
        self.ident = self.spool.publisher if self.spool else secrets.randbits(64)
        self._place = place
        self._lock = Lock()
        self._open = True
        self._ended = False
        self._header = HeaderWriter(self.ident, self.flags, self.spool.age_s if self.spool else 0.0)
        self._recent: Sent[Message] = Sent(options.keep if self.flags & RELIABLE else 1, options.keep_bytes)
        self._memory: Memory[Message] = self.spool or self._recent
        self._keeps = bool(self.flags) and self.spool is None
        self._beats = 0
        self._beaten = 0
        self._beat_at = 0.0
        self._asked_at = 0.0
        self._answers = f"{key}/{CACHE}/{self.ident:016x}"
        self._gatherer = Gatherer(self._header, self._send_new, self.spool.next if self.spool else 0)
        self._timed = False
        with ExitStack() as made:
            self._declare(made)
            self._ending = made.pop_all()
        if self.flags & RELIABLE:
            place.keeper.call(self._beat, monotonic() + BEATS_S[0])

    def put(self, frame: Frame) -> None:
        """Send a frame."""
        payload, gatherer = checked(frame, self.stream), self._gatherer
        with self._lock:
            if not self._open:
                raise UsageError("the publisher was closed", where=self.stream)
            number = gatherer.sent
            if self.spool is not None:
                header = self._header.write(frame, number)
                self.spool.add((header, payload), len(payload) + len(header))
            if gatherer.put(frame, payload) and not self._timed:
                self._timed = True
                self._place.keeper.call(self._flush, gatherer.since + GATHER_S)
            if self.groups.active:
                self.groups.offer(frame, (self._header.write(frame, number), payload))

    def close(self) -> None:
        """Nothing more comes. What was sent can be asked for a while longer."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        with ExitStack() as ending:  # also when what was gathered cannot be sent
            ending.callback(self.end)
            self._place.silenced(self)
            self._send_last()
            if self.flags & RELIABLE and self.sent and (self._heard() or self.groups.lingers(monotonic())):
                self._asked_at = monotonic()
                self._send_beat()
                ending.pop_all()

    @property
    def sent(self) -> int:
        """How many frames there were; the number of the next one."""
        return self._gatherer.sent

    @property
    def shared(self) -> dict[str, int]:
        """What became of frames for groups."""
        return self.groups.counters

    @property
    def closed(self) -> bool:
        """True when it sends nothing more; it may still be asked."""
        return not self._open

    def lingers(self, now: float) -> bool:
        """True while somebody who reads slowly may still ask for what was sent."""
        if self._ended or not self.flags & RELIABLE:
            return False
        return now < self._asked_at + LINGER_S or self.groups.lingers(now)

    def end(self) -> None:
        """Undeclare everything; the second time nothing happens."""
        with self._lock:
            ended, self._ended, self._open = self._ended, True, False
        if not ended:
            self._ending.close()

    def _declare(self, made: ExitStack) -> None:
        """Declare everything; what is to be undone goes on the stack."""
        place, session, key = self._place, self._place.session, self.key
        if self.spool is not None:
            made.callback(self.spool.close)
        drop = zenoh.CongestionControl.DROP
        self._publisher = session.declare_publisher(key, congestion_control=drop)
        made.callback(self._publisher.undeclare)
        if self.flags:
            asked = Callback(self._asked, indirect=False)  # else Zenoh gives each publisher a thread for it
            made.callback(session.declare_queryable(self._answers, asked).undeclare)
        alive = f"{key}/{ALIVE}/{self.ident:016x}/{int(self.flags)}"
        made.callback(session.liveliness().declare_token(alive).undeclare)
        self.groups = GroupSender(place, key, self.options, self._lock, partial(self._kept, self.sent))
        made.callback(self.groups.end)
        self._arrive()
        made.callback(place.forget, self)

    def _arrive(self) -> None:
        """Return when those there are links to know the key.

        Zenoh sends frames with another priority than declarations, so they may overtake them, and are dropped by a
        router that does not know the key yet. A question that the rules allow goes the declarations' way: its answer
        comes when they are there, however often the stream is forwarded.
        """
        for _ in self._place.session.liveliness().get(f"{self.key}/{GROUP}/**", timeout=ARRIVE_S):
            pass

    def _kept(self, first: int, early: bool) -> list[Message]:
        """For a group that is found early: all that was sent from the number ``first`` on; else only the last one.

        The lock is held.
        """
        self._gatherer.flush()
        if early and self.flags & RELIABLE:
            kept = self._memory.between(first, self.sent)
            return [single for _, message in kept for single in apart(message)]
        last = self._last() if self.flags & LATEST else None
        return [last] if last is not None else []

    def _last(self) -> Message | None:
        """The last frame that was sent and is kept."""
        last = self._memory.last
        return apart(last)[-1] if last is not None else None

    def _heard(self) -> bool:
        """Somebody subscribes to the stream. Zenoh's stub calls the status a bool, which it is not."""
        return cast("zenoh.MatchingStatus", self._publisher.matching_status).matching

    def _send_last(self) -> None:
        """Send what was gathered."""
        with self._lock:
            self._gatherer.flush()

    def _send_new(self, message: Message, frames: int) -> None:
        """Send frames for the first time; kept before, as they count as sent also where they cannot be."""
        header, payload = message
        if self._keeps:
            self._recent.add(message, len(payload) + len(header), frames)
        self._send(payload, header)

    def _send(self, payload: bytes, header: bytes) -> None:
        try:
            self._publisher.put(payload, attachment=header)
        except zenoh.ZError as error:
            raise PipelineError(f"cannot be sent: {error}", where=self.stream) from error

    # --- on the keeper's thread --------------------------------------------------------

    def _flush(self, now: float) -> float | None:
        """Send what was gathered and waited long enough; when to look again, if anything waits."""
        with self._lock:
            if self._gatherer.waits and now < (due := self._gatherer.since + GATHER_S):
                return due
            self._timed = False
            self._gatherer.flush()
            return None

    def _beat(self, now: float) -> float | None:
        """Say which number was the last, less and less often while nothing new is sent; frames say it themselves."""
        if self._ended:
            return None
        if not self._open and not self.lingers(now):
            self.end()
            return None
        if self.sent != self._beaten:
            self._beaten, self._beats, self._beat_at = self.sent, 0, now + BEATS_S[0]
        elif self.sent and now >= self._beat_at:
            self._send_beat()
            self._beat_at = now + BEATS_S[min(self._beats, len(BEATS_S) - 1)]
            self._beats += 1
        return now + BEATS_S[0]

    def _send_beat(self) -> None:
        with self._lock:
            if not self._ended:
                self._gatherer.flush()
                self._send(b"", self._header.note(Kind.BEAT, self.sent - 1))

    def _asked(self, query: zenoh.Query) -> None:
        self._place.keeper.do(lambda: self._answer(query))

    def _answer(self, query: zenoh.Query) -> None:
        """Send again what was asked for, then the number of the oldest that could be."""
        self._asked_at = monotonic()
        self._send_last()
        wanted = query.parameters
        with query:
            if wanted.get("latest") is not None:
                self._answer_latest(query)
                return
            first, until = _number(wanted.get("first")), _number(wanted.get("last"))
            last, left = min(until, first + BATCH - 1), ANSWER_BYTES
            for header, payload in bundled(self._memory.between(first, last), first, last):
                query.reply(self._answers, payload, attachment=mark_again(header))
                if (left := left - len(payload)) <= 0:
                    break  # it asks for the rest; others want to be answered, too
            query.reply(self._answers, b"", attachment=self._header.note(Kind.OLDEST, self._memory.kept_from(first)))

    def _answer_latest(self, query: zenoh.Query) -> None:
        """The last frame, where that is promised; else the number of the last, for those who go on from another."""
        if self.flags & LATEST and (last := self._last()) is not None:
            query.reply(self._answers, last[1], attachment=last[0])
        elif self.flags & DURABLE and self.sent:
            query.reply(self._answers, b"", attachment=self._header.note(Kind.BEAT, self.sent - 1))


def _number(text: str | None) -> int:
    """A number in a question; anybody may ask, and what is none asks for nothing."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 20 else -1
