"""Publishing one stream over Zenoh."""

from __future__ import annotations

import secrets
from threading import Lock
from typing import TYPE_CHECKING, cast

import zenoh

from weft.core.clock import monotonic
from weft.core.errors import PipelineError, UsageError
from weft.core.frame import Frame
from weft.stream.base import PublishOptions, checked
from weft.stream.names import ALIVE, CACHE
from weft.stream.recovery import BATCH
from weft.stream.sent import Sent
from weft.stream.wire import LATEST, RELIABLE, HeaderWriter, Kind, flags_of, mark_again

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

BEATS_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""After the last frame, a reliable publisher says its number so often, then every last of them."""

LINGER_S = 1.0
"""A closed publisher stays for those who still ask: until nobody has for that long …"""

MOST_LINGER_S = 30.0
"""… but no longer than this."""


ANSWER_BYTES = 8 * 2**20
"""One answer sends no more than that again, and one frame."""


class ZenohPublisher:
    """Sends the frames of one stream.

    Everything is sent so that a congested link drops it: one consumer that stops reading must cost nobody anything.
    What a reliable stream lost that way its consumers ask for, in Zenoh queries that this publisher answers.
    """

    def __init__(self, place: ZenohStreams, key: str, stream: str, options: PublishOptions) -> None:
        self.stream = stream
        self.options = options
        self.sent = 0
        self.flags = flags_of(options)
        self.ident = secrets.randbits(64)
        self._place = place
        self._lock = Lock()
        self._open = True
        self._ended = False
        self._header = HeaderWriter(self.ident, self.flags)
        self._memory: Sent[tuple[bytes, bytes]] = Sent(options.keep if self.flags & RELIABLE else 1, options.keep_bytes)
        self._beats = 0
        self._beaten = 0
        self._beat_at = 0.0
        self._asked_at = 0.0
        self._answers = f"{key}/{CACHE}/{self.ident:016x}"
        session = place.session
        self._publisher = session.declare_publisher(key, congestion_control=zenoh.CongestionControl.DROP)
        self._queryable = session.declare_queryable(self._answers, self._asked) if self.flags else None
        self._token = session.liveliness().declare_token(f"{key}/{ALIVE}/{self.ident:016x}/{int(self.flags)}")
        if self.flags & RELIABLE:
            place.keeper.call(self._beat, monotonic() + BEATS_S[0])

    def put(self, frame: Frame) -> None:
        """Send a frame."""
        payload = checked(frame, self.stream)
        with self._lock:
            if not self._open:
                raise UsageError("the publisher was closed", where=self.stream)
            header = self._header.write(frame, self.sent)
            if self.flags:
                self._memory.add((header, payload), len(payload) + len(header))
            self.sent += 1
            try:
                self._publisher.put(payload, attachment=header)
            except zenoh.ZError as error:
                raise PipelineError(f"cannot be sent: {error}", where=self.stream) from error

    def close(self) -> None:
        """Nothing more comes. What was sent can be asked for a while longer."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        if self.flags & RELIABLE and self.sent and self._heard():
            self._asked_at = monotonic()
            self._send_beat()
        else:
            self.end()

    def lingers(self, now: float) -> bool:
        """True while somebody who reads slowly may still ask for what was sent."""
        return self._queryable is not None and self.flags & RELIABLE != 0 and now < self._asked_at + LINGER_S

    def end(self) -> None:
        """Undeclare everything; the second time nothing happens."""
        with self._lock:
            ended, self._ended, self._open = self._ended, True, False
        if ended:
            return
        if self._queryable is not None:
            self._queryable.undeclare()
        self._queryable = None
        self._token.undeclare()
        self._publisher.undeclare()
        self._place.forget(self)

    def _heard(self) -> bool:
        """Somebody subscribes to the stream. Zenoh's stub calls the status a bool, which it is not."""
        return cast("zenoh.MatchingStatus", self._publisher.matching_status).matching

    # --- on the keeper's thread --------------------------------------------------------

    def _beat(self, now: float) -> float | None:
        """Say which number was the last, less and less often while nothing new is sent; frames say it themselves."""
        if self._queryable is None:
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
                self._publisher.put(b"", attachment=self._header.note(Kind.BEAT, self.sent - 1))

    def _asked(self, query: zenoh.Query) -> None:
        self._place.keeper.do(lambda: self._answer(query))

    def _answer(self, query: zenoh.Query) -> None:
        """Send again what was asked for, then the number of the oldest that could be."""
        self._asked_at = monotonic()
        wanted = query.parameters
        with query:
            if wanted.get("latest") is not None:
                if (last := self._memory.last) is not None and self.flags & LATEST:
                    query.reply(self._answers, last[1], attachment=last[0])
                return
            first, until = _number(wanted.get("first")), _number(wanted.get("last"))
            left = ANSWER_BYTES
            for _, (header, payload) in self._memory.between(first, min(until, first + BATCH - 1)):
                query.reply(self._answers, payload, attachment=mark_again(header))
                if (left := left - len(payload)) <= 0:
                    break  # it asks for the rest; others want to be answered, too
            query.reply(self._answers, b"", attachment=self._header.note(Kind.OLDEST, self._memory.oldest))


def _number(text: str | None) -> int:
    """A number in a question; anybody may ask, and what is none asks for nothing."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 20 else -1
