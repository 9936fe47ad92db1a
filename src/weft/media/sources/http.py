"""What a web server answers when it is asked again and again: a snapshot, a page, a reading."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from weft.core.clock import monotonic
from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.servers import check_header, web_address
from weft.media.cameras.retry import Retry, retry_of
from weft.media.cameras.watch import Order, Patience, State, Watch, Watched
from weft.media.login import Trust, login_of, path_of, warn_in_clear
from weft.media.payloads import payload_frame
from weft.media.sources.frames import checked_count, checked_seconds
from weft.media.web.loop import Cancel, running
from weft.media.web.poll import Answer, Asker, Question, Refused

_log = logging.getLogger("weft.media.http")


@dataclass(slots=True)
class HttpCounters:
    """What was asked and answered.

    Attributes:
        polls: requests, redirects aside.
        unchanged: answers that were as the one before, and gave no frame.
        reconnects: how often the server came back.
        failures: requests without an answer to take a frame from.
        stalls: those of them in which it took too long.
    """

    polls: int = 0
    unchanged: int = 0
    reconnects: int = 0
    failures: int = 0
    stalls: int = 0


class HttpSource(Watched):
    """A frame for each new body at an address, over all failures of the server.

    The payload is the body, untouched, its media type what the server says. The headers ``etag`` and ``last-modified``
    are the server's, ``reconnects`` counts how often it came back. It is asked only whether there is something new,
    where it can say so.

    Args:
        url: "http://camera/snapshot.jpg" or "https://…".
        every: seconds from one request to the next.
        unchanged: give a frame for every answer.
        timeout: seconds that an answer may take.
        media_type: what bodies are, where the server does not say; None looks at their first bytes.
        max_size: bytes of the largest body.
        user, password_file, password_env: who asks, by Basic authentication.
        token_file, token_env: who asks, by a bearer token.
        ca, cert: whom to trust, and what to show, over TLS.
        headers: to send beside Weft's own.
        retry: how long to wait before trying again, and how often; by default for ever.
        limit: stop after so many frames.
    """

    live = True
    length = None

    def __init__(
        self,
        url: str,
        *,
        every: float = 1.0,
        unchanged: bool = False,
        timeout: float = 10.0,
        media_type: str | None = None,
        max_size: int = 16 * 2**20,
        user: str | None = None,
        password_file: str | PathLike[str] | None = None,
        password_env: str | None = None,
        token_file: str | PathLike[str] | None = None,
        token_env: str | None = None,
        ca: str | PathLike[str] | None = None,
        cert: str | PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> None:
        address = web_address(url)
        login = login_of(user, password_file, password_env, token_file, token_env)
        trust = Trust(path_of(ca), path_of(cert))
        for name, value in (headers or {}).items():
            check_header(name, value)
        limit_s = checked_seconds(timeout, "timeout")
        self._question = Question(address, login, trust, dict(headers or {}), limit_s, max_size, unchanged)
        self._every = checked_seconds(every, "every")
        self._media_type = media_type
        self._limit = checked_count(limit, "limit")
        self._watch = Watch(Patience(math.inf, math.inf, 0.0), retry_of(retry), where=address.shown)
        self._counters = HttpCounters()
        self._closed = threading.Event()
        self._cancel = Cancel()
        self._due = 0.0
        self._was_live = False
        self._told = False

    @property
    def url(self) -> str:
        """The address, as messages show it."""
        return self._question.address.shown

    @property
    def counters(self) -> HttpCounters:
        """What was asked and answered."""
        return self._counters

    def frames(self) -> Iterator[Frame]:
        """The frames, until ``limit`` or ``close``.

        Raises IdentityError or DeniedError where the server rejects who asks from the first, or is not trusted, and
        UsageError where it sends a stream of pictures. Where ``retry`` bounds the attempts, raises what the last one
        failed of, such as UnavailableError.
        """
        if self._watch.state is not State.IDLE:
            raise UsageError("the frames of a source are read once", where=self.url, cure="make another source")
        question = self._question
        warn_in_clear(question.login, question.address.target, self.url, _log)
        asker, sequence = Asker(question), 0
        with running() as runner:
            try:
                while sequence != self._limit and not self._closed.is_set():
                    if (answer := self._next(runner, asker)) is not None:
                        yield self._frame(answer, sequence)
                        sequence += 1
            finally:
                self._watch.end()
                runner.run(asker.close())

    def close(self) -> None:
        """End ``frames`` at once."""
        self._closed.set()
        self._cancel.now()

    def __repr__(self) -> str:
        return f"HttpSource({self.url!r}, {self.state})"

    def _next(self, runner: asyncio.Runner, asker: Asker) -> Answer | None:
        """One question, and the wait until it is time for the next; None where there is nothing new."""
        self._wait()
        if self._closed.is_set():
            return None
        began = monotonic()
        if self._watch.state in (State.IDLE, State.BACKING_OFF) and self._watch.tick(began) is Order.WAIT:
            return None
        self._counters.polls += 1
        try:
            answer = self._cancel.run(runner, asker.ask())
        except Refused as refused:
            self._lost(refused)
            return None
        except asyncio.CancelledError:
            return None
        self._due = began + self._every
        self._live()
        self._counters.unchanged += answer is None
        return answer

    def _wait(self) -> None:
        until = self._watch.deadline if self._watch.state is State.BACKING_OFF else self._due
        if until is not None:
            self._closed.wait(max(0.0, until - monotonic()))

    def _live(self) -> None:
        self._watch.picture(monotonic())
        self._was_live = True
        self._counters.reconnects = self._watch.counters.reconnects
        if self._told:
            _log.info("%s: live again", self.url)
            self._told = False

    def _lost(self, refused: Refused) -> None:
        trouble = refused.trouble
        self._counters.failures += 1
        self._counters.stalls += refused.hung
        if refused.final and not self._was_live:
            raise trouble
        if self._watch.gone(monotonic(), trouble, pause=refused.pause) is Order.GIVE_UP:
            raise trouble
        if not self._told:
            _log.warning("%s: %s; it is tried again (%s)", self.url, trouble.what, trouble.cure)
            self._told = True

    def _frame(self, answer: Answer, sequence: int) -> Frame:
        headers = dict(answer.headers)
        if self._counters.reconnects:
            headers["reconnects"] = str(self._counters.reconnects)
        return payload_frame(answer.body, answer.media_type, self._media_type, sequence, answer.time_ns, headers)
