"""The requests of one instance: which it may make, how many, and how much their responses may bring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from weft.core.errors import LimitError
from weft.core.hosts import DEFAULT_PORTS, parse_target
from weft.core.units import format_size
from weft.wasm.http.counters import HttpCounters
from weft.wasm.http.exchange import Exchange
from weft.wasm.http.faults import Code, HttpFault
from weft.wasm.http.relay import relay

if TYPE_CHECKING:
    from weft.wasm.instance import Instance

MAX_REQUESTS = 16
"""Requests of one instance that are under way at a time."""

CONNECT_S = 30.0
"""Seconds that connecting may take where neither the function's time nor the guest says less."""

_DENIED: tuple[Code, ...] = ("HTTP-request-denied", "destination-IP-prohibited")


class Requests:
    """What one instance may request. A request ends with the frame in which it was made."""

    def __init__(self, instance: Instance, seconds_left: Callable[[], float], grace_s: float = 0.0) -> None:
        """``seconds_left`` is how long the frame may take from now on.

        A request may take ``grace_s`` longer: for a guest that waits where nothing else can end it, and is to wake
        when its time is over, not a moment before.
        """
        self._instance = instance
        self._left = seconds_left
        self._grace_s = grace_s
        self._grants = instance.settings.grants.http
        self._counters = instance.program.http
        self._allowance = Allowance(instance, self._counters)

    def begin(self) -> None:
        """A new frame starts, and has its own allowance."""
        self._allowance.close()
        self._allowance = Allowance(self._instance, self._counters)

    def close(self) -> None:
        """The instance ends."""
        self._allowance.close()

    def open(self, method: str, scheme: str, authority: str, connect_s: float | None = None) -> Exchange:
        """A connection for a request, which is then sent by way of the relay.

        ``connect_s`` is how long connecting may take; the frame's time and ``CONNECT_S`` bound it, too. Raises
        HttpFault, which is counted and told then.
        """
        try:
            exchange = self._checked(method, scheme, authority)
            patience = min(self._left(), CONNECT_S if connect_s is None else connect_s)
            relay().connect(exchange, self._grants, patience)
        except HttpFault as fault:
            self._tell(fault)
            raise
        self._allowance.exchanges.append(exchange)
        self._counters.http_requests += 1
        return exchange

    def _checked(self, method: str, scheme: str, authority: str) -> Exchange:
        """Raises HttpFault for a request that may not be made."""
        if scheme not in DEFAULT_PORTS:
            raise HttpFault("HTTP-protocol-error", f"'{scheme[:80]}': requests are made by http and https")
        if method == "CONNECT":
            raise HttpFault("HTTP-request-method-invalid", "CONNECT makes no request but a tunnel")
        target = parse_target(scheme, authority)
        if target is None:
            raise HttpFault("HTTP-request-URI-invalid", "the URL has no plain host")
        if not target.granted(self._grants):
            cure = f"grant it with grants: {{http: [{target}]}} (--http {target})"
            raise HttpFault("HTTP-request-denied", f"no request to {target} was granted", cure)
        if self._allowance.open() >= MAX_REQUESTS:
            cure = "drop a response when it has been read"
            raise HttpFault("connection-limit-reached", f"{MAX_REQUESTS} requests are under way", cure)
        until = monotonic() + self._left() + self._grace_s
        return Exchange(target, str(target), until, self._stopped, self._allowance.take)

    def _stopped(self) -> bool:
        """Whether the guest was ended for another reason than its time."""
        self._instance.expired()  # looks whether its handler was stopped
        return self._instance.fatal is not None

    def _tell(self, fault: HttpFault) -> None:
        """Guests often carry on without what they asked for: so a refusal is logged, too."""
        if fault.code in _DENIED:
            self._counters.http_denied += 1
            self._instance.log.line(logging.WARNING, f"{fault.reason}; {fault.cure}")
        else:
            self._counters.http_failed += 1


class Allowance:
    """What the responses to one frame's requests may bring together. ``take`` is called on the relay's thread.

    Attributes:
        came: bytes so far.
        exchanges: the requests.
    """

    def __init__(self, instance: Instance, counters: HttpCounters) -> None:
        self._instance = instance
        self._counters = counters
        self._most = instance.settings.limits.http
        self._closed = False
        self.came = 0
        self.exchanges: list[Exchange] = []

    def open(self) -> int:
        """How many requests are under way."""
        self.exchanges = [exchange for exchange in self.exchanges if not exchange.ended]
        return len(self.exchanges)

    def take(self, nbytes: int) -> bool:
        """Count bytes; False, and the end of the guest, where they are too many."""
        if self._closed:
            return False
        self._counters.http_received += nbytes
        self.came += nbytes
        if self.came <= self._most:
            return True
        what = f"received more than {format_size(self._most)} over HTTP"
        self._instance.stop(LimitError(what, cure="ask for less, or raise limits.http (--limit http=SIZE)"))
        return False

    def close(self) -> None:
        """The frame is over."""
        self._closed = True
        for exchange in self.exchanges:
            relay().end(exchange)
        self.exchanges.clear()
