"""The messages of an MQTT broker."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any

from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.servers import broker_address
from weft.core.suggest import did_you_mean
from weft.core.traceparent import HEADER
from weft.media.cameras.retry import Retry, retry_of
from weft.media.cameras.watch import Patience, State, Watch, Watched, Words
from weft.media.login import Trust, login_of, path_of, warn_in_clear
from weft.media.mqtt.connection import Wanted
from weft.media.mqtt.feed import Feed
from weft.media.mqtt.inbox import Inbox, Message
from weft.media.payloads import payload_frame
from weft.media.sources.frames import checked_count, checked_seconds

VERSIONS = ("auto", "5", "3.1.1")
STEADY_S = 5.0
"""Seconds a connection must have held for the waits to begin anew after it."""

_WORDS = Words("message", "answer of the broker", "check the broker and the network between")
_log = logging.getLogger("weft.media.mqtt")


class MqttSource(Watched):
    """The messages of a topic, or of all that fit a filter, over all deaths of the broker: one frame each.

    The payload is the message's, untouched. The header ``topic`` tells where it was published, ``retained`` is "true"
    where the broker had kept it, ``traceparent`` is the trace that MQTT 5 brought with it, and ``reconnects`` counts
    how often the broker came back. At most 256 messages wait, the oldest are dropped, and counted. With ``qos`` 1 the
    broker is told that a message was taken when it is given out here, and has to wait before it sends more than 64.

    Args:
        url: "mqtt://broker/factory/+/image", or mqtts:// for TLS.
        qos: 0 or 1.
        skip_retained: leave out what the broker had kept.
        client_id: a name of this client alone; with it and ``qos`` 1 the broker keeps messages while it is away.
        version: "5", "3.1.1", or "auto" for the first that the broker knows.
        media_type: what payloads are, where MQTT 5 does not say; None looks at their first bytes.
        max_size: bytes of the largest payload.
        user, password_file, password_env: who asks.
        ca, cert: whom to trust, and what to show, over TLS.
        start: seconds that connecting may take.
        stall: seconds without a message after which the connection counts as dead; None for never.
        retry: how long to wait before trying again, and how often; by default for ever.
        limit: stop after so many messages.
    """

    live = True
    length = None

    def __init__(
        self,
        url: str,
        *,
        qos: int = 0,
        skip_retained: bool = False,
        client_id: str | None = None,
        version: str = "auto",
        media_type: str | None = None,
        max_size: int = 16 * 2**20,
        user: str | None = None,
        password_file: str | PathLike[str] | None = None,
        password_env: str | None = None,
        ca: str | PathLike[str] | None = None,
        cert: str | PathLike[str] | None = None,
        start: float = 10.0,
        stall: float | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> None:
        self._address = broker_address(url)
        self._login = login_of(user, password_file, password_env, None, None)
        if version not in VERSIONS:
            cure = did_you_mean(version, VERSIONS) or "auto, 5 or 3.1.1"
            raise UsageError(f"no version '{version}' of MQTT", cure=cure)
        if qos not in (0, 1):
            raise UsageError(f"qos is {qos}", cure="give 0 or 1")
        self._limit = checked_count(limit, "limit")
        self._media_type = media_type
        patience = Patience(
            checked_seconds(start, "start"), math.inf if stall is None else checked_seconds(stall, "stall"), STEADY_S
        )
        self._watch = Watch(patience, retry_of(retry), where=self._address.shown, words=_WORDS)
        self._inbox = Inbox()
        wanted = Wanted(
            self._address,
            self._login,
            Trust(path_of(ca), path_of(cert)),
            qos,
            client_id or f"weft-{secrets.token_hex(8)}",
            client_id is not None,
            not skip_retained,
            max_size,
            patience.start,
        )
        self._feed = Feed(wanted, version, self._watch, self._inbox, quiet=stall is None)

    @property
    def url(self) -> str:
        """The address, as messages show it."""
        return self._address.shown

    @property
    def counters(self) -> dict[str, int]:
        """How often it was connected to, came back, went silent and was lost; messages dropped and discarded."""
        watched, discarded = self._watch.counters, self._feed.discarded
        return {
            "connects": watched.connects,
            "reconnects": watched.reconnects,
            "failures": watched.failures,
            "stalls": watched.stalls,
            "dropped": self._inbox.dropped,
            "oversized": discarded.oversized,
            "damaged": discarded.damaged,
        }

    def frames(self) -> Iterator[Frame]:
        """The messages, until ``limit`` or ``close``.

        Raises IdentityError or DeniedError where the broker rejects who asks from the first, or is not trusted.
        Where ``retry`` bounds the attempts, raises what the last one failed of, such as UnavailableError.
        """
        if self._watch.state is not State.IDLE:
            raise UsageError("the messages of a source are read once", where=self.url, cure="make another source")
        warn_in_clear(self._login, self._address.target, self.url, _log)
        sequence = 0
        try:
            while sequence != self._limit and (message := self._feed.next()) is not None:
                yield self._frame(message, sequence)
                sequence += 1
        finally:
            self._feed.close()

    def close(self) -> None:
        """End ``frames`` at once."""
        self._inbox.close()

    def __repr__(self) -> str:
        return f"MqttSource({self.url!r}, {self.state})"

    def _frame(self, message: Message, sequence: int) -> Frame:
        headers = {"topic": message.topic}
        if message.retained:
            headers["retained"] = "true"
        if message.traceparent:
            headers[HEADER] = message.traceparent
        if reconnects := self._watch.counters.reconnects:
            headers["reconnects"] = str(reconnects)
        return payload_frame(message.payload, message.media_type, self._media_type, sequence, message.time_ns, headers)
