"""The messages of a broker, however often it goes: the watch decides, a connection does, this thread waits."""

from __future__ import annotations

import logging
import math

from weft.core.clock import monotonic
from weft.core.errors import WeftError
from weft.media.cameras.watch import Order, State, Watch
from weft.media.mqtt.connection import Connection, Discarded, Wanted, WrongVersion
from weft.media.mqtt.inbox import Gone, Inbox, Message, Said

_log = logging.getLogger("weft.media.mqtt")


class Feed:
    """Gives messages, on one thread. Closing ``inbox`` ends the waiting.

    Args:
        wanted: what connections are told.
        version: "5", "3.1.1", or "auto" to begin with the first of them.
        watch: the states; the feed alone tells it what happens.
        inbox: where connections put what comes.
        quiet: whether a connection may be silent for as long as it likes.
    """

    def __init__(self, wanted: Wanted, version: str, watch: Watch, inbox: Inbox, *, quiet: bool) -> None:
        self.discarded = Discarded()
        self._wanted = wanted
        self._version = "5" if version == "auto" else version
        self._may_fall_back = version == "auto"
        self._watch = watch
        self._inbox = inbox
        self._quiet = quiet
        self._connection: Connection | None = None
        self._was_live = False
        self._told = False

    def next(self) -> Message | None:
        """The next message; None when the inbox was closed. Raises what the broker is given up for."""
        self._watch.resume(monotonic())
        while not self._inbox.closed:
            found = self._inbox.next(self._wait_s())
            if found is None:
                self._obey(self._watch.tick(monotonic()))
            elif (message := self._hear(*found)) is not None:
                return message
        return None

    def close(self) -> None:
        """End the connection, if there is one. For the thread that calls :meth:`next`."""
        self._watch.end()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _wait_s(self) -> float | None:
        if self._watch.state is State.IDLE:
            return 0.0
        deadline = self._watch.deadline
        return None if deadline is None or math.isinf(deadline) else max(0.0, deadline - monotonic())

    def _obey(self, order: Order) -> None:
        if order is Order.START:
            self._connect()
        elif order is Order.KILL and self._connection is not None:
            self._connection.abort()

    def _connect(self) -> None:
        put = self._inbox.put
        self._connection = Connection(self._wanted, self._version, self.discarded, put, resumed=self._was_live)

    def _hear(self, origin: object, said: Said) -> Message | None:
        if isinstance(said, Message):
            said.done()
        if origin is self._connection:
            if isinstance(said, Gone):
                self._bury(said)
            else:
                self._live()
        return said if isinstance(said, Message) else None

    def _live(self) -> None:
        self._watch.picture(monotonic())
        self._was_live = True
        if self._told:
            _log.info("%s: live again", self._wanted.address.shown)
            self._told = False

    def _bury(self, gone: Gone) -> None:
        self._connection = None
        if isinstance(gone, WrongVersion) and self._may_fall_back:
            _log.info("%s: the broker knows no MQTT 5; it is spoken to in 3.1.1", self._wanted.address.shown)
            self._version, self._may_fall_back = "3.1.1", False
            self._connect()
            return
        if self._quiet and self._watch.state is State.LIVE:
            self._watch.picture(monotonic())  # until now the broker had answered whenever it was asked
        if gone.final and not self._was_live:
            self._watch.end()
            raise gone.trouble
        self._lost(gone.trouble)

    def _lost(self, trouble: WeftError) -> None:
        if self._watch.gone(monotonic(), trouble) is Order.GIVE_UP:
            assert self._watch.trouble is not None
            raise self._watch.trouble
        if not self._told and self._watch.trouble is not None:
            trouble = self._watch.trouble
            _log.warning("%s: %s; it is tried again (%s)", self._wanted.address.shown, trouble.what, trouble.cure)
            self._told = True
