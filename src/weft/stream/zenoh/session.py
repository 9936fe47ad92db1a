"""A process's place among others: streams over one Zenoh session."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from time import sleep
from typing import TypeVar

import zenoh
from zenoh.handlers import Callback

from weft.core.clock import monotonic
from weft.core.errors import InputError, PipelineError, UsageError, WeftError
from weft.core.frame import Frame
from weft.core.once import Once
from weft.stream.asking import AnswerThread, Outcome, Reply, nobody
from weft.stream.base import (
    ASK_TIMEOUT_S,
    MAX_PAYLOAD,
    Answer,
    Closing,
    PublishOptions,
    StreamInfo,
    SubscribeOptions,
    Subscription,
    checked,
)
from weft.stream.names import ALIVE, ASK, GLOBAL, GROUP, STATE, key_of, key_pattern, scope_of, stream_of
from weft.stream.spool import spool_path
from weft.stream.wire import LATEST, HeaderWriter, delivery_of, read_header
from weft.stream.zenoh.gate import Gate
from weft.stream.zenoh.group_subscription import ZenohGroupSubscription
from weft.stream.zenoh.group_tokens import GroupToken, groups_of, read_token
from weft.stream.zenoh.keeper import Keeper
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.opening import open_session
from weft.stream.zenoh.publisher import MOST_LINGER_S, ZenohPublisher
from weft.stream.zenoh.rights import Standing, Want
from weft.stream.zenoh.states import States, with_states
from weft.stream.zenoh.subscription import ZenohSubscription
from weft.stream.zenoh.tokens import Tokens
from weft.stream.zenoh.told import last_reason

M = TypeVar("M", bound=Closing)

PATIENCE_S = 10.0
"""Seconds to wait for the first link."""

JOIN_S = 5.0
"""Seconds to wait until groups that were there before a publisher have joined it: live frames come only once."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a process is joined to others.

    Attributes:
        links: whom it has a link to: the names of their certificates, or addresses where they have none.
        reason: why there is none; empty while there is one.
    """

    links: tuple[str, ...]
    reason: str


class ZenohStreams:
    """The streams of a site, and the global ones, seen from this process.

    Attributes:
        session: Zenoh's session.
        scopes: where it subscribes: its own site, and what is global.
        keeper: the thread that speaks to Zenoh.
        rights: what the rules of others allow this process.
        gate: tells others what its own rules allow; None where it has none.
    """

    def __init__(self, link: Link, patience_s: float = PATIENCE_S) -> None:
        """Open the session. One that only connects waits for its link, ``patience_s`` seconds at most.

        One that listens connects in the background. A link that is lost comes back by itself. Raises UnavailableError
        when it cannot listen, or nobody could be joined in time, with the reason where the process listens to
        Zenoh's log (:func:`weft.stream.zenoh.told.listen_in`).
        """
        self.scopes = (link.site, GLOBAL)
        self._lock = Lock()
        self._open = True
        self._made: list[Closing] = []
        self._tokens = Once(self._follow)
        with ExitStack() as made:
            self.session = open_session(link, patience_s)
            made.callback(self.session.close)
            self.keeper = Keeper()
            made.callback(self.keeper.close)
            self.rights = Standing(self)
            self.gate = None if link.access is None else Gate(self, link.access, link.names)
            self._states = States(self.session)
            made.pop_all()

    def publish(self, stream: str, options: PublishOptions = PublishOptions()) -> ZenohPublisher:
        """Begin to publish a stream."""
        self._check_open()
        key = key_of(stream, self.scopes[options.scope == "global"])
        want = Want("publish", stream, options.scope)
        self.rights.need(want)
        if options.delivery == "durable":
            self._end_closed(spool_path(options.spool, key))
        publisher = self._keep(ZenohPublisher(self, key, stream, options), want)
        publisher.groups.find()
        self.keeper.catch_up(JOIN_S)
        return publisher

    def subscribe(self, patterns: Sequence[str], options: SubscribeOptions = SubscribeOptions()) -> Subscription:
        """Receive the streams that fit a pattern."""
        self._check_open()
        wants = [Want("subscribe", pattern, whole=options.group is not None) for pattern in patterns]
        self.rights.need(*wants)
        if options.group is not None:
            return self._keep(ZenohGroupSubscription(self, patterns, options, options.group), *wants)
        return self._keep(ZenohSubscription(self, patterns, options), *wants)

    def ask(self, stream: str, frame: Frame, timeout: float = ASK_TIMEOUT_S) -> Frame:
        """Send a request and wait for its answer."""
        self._check_open()
        self.rights.need(Want("ask", stream))
        reply = Reply(stream, timeout)
        ends = count(1)

        def take(answer: zenoh.Reply) -> None:
            reply.give(_outcome(answer, stream))

        def end() -> None:
            if next(ends) == len(self.scopes):
                reply.give(nobody(stream))

        header = HeaderWriter(0, 0).write(frame, 0)
        payload = checked(frame, stream)
        for scope in self.scopes:
            self.session.get(
                f"{key_of(stream, scope)}/{ASK}",
                Callback(take, end),
                target=zenoh.QueryTarget.BEST_MATCHING,
                timeout=timeout,
                payload=payload,
                attachment=header,
            )
        return reply.wait()

    def answer(self, stream: str, work: Answer) -> Closing:
        """Answer requests on a stream."""
        self._check_open()
        key = f"{key_of(stream, self.scopes[0])}/{ASK}"
        want = Want("answer", stream, "site")
        self.rights.need(want)
        return self._keep(_ZenohAnswering(self, key, stream, work), want)

    def known(self) -> list[StreamInfo]:
        """The streams that are published now."""
        self._check_open()
        found: dict[tuple[str, str], StreamInfo] = {}
        tokens = self._tokens().now()
        members = [member for token in tokens if (member := read_token(token)) is not None]
        for token in tokens:
            if f"/{ALIVE}/" in token:
                _note(found, token, members)
        return with_states([found[key] for key in sorted(found)], tokens)

    def tell_state(self, stream: str, state: str) -> None:
        """Say how the source of a stream is that is published here."""
        self._check_open()
        for publisher in self._publishers():
            if publisher.stream == stream and not publisher.closed:
                self._states.tell(publisher.key, state)

    @property
    def connected(self) -> int:
        """How many routers and peers this process has a link to."""
        return len(self.session.info.routers_zid()) + len(self.session.info.peers_zid())

    def status(self) -> Status:
        """Who there is a link to now; and where nobody, why."""
        links = self.session.info.links() if self._open else []
        names = tuple(sorted(link.auth_identifier or link.dst for link in links))
        return Status(names, "" if names else last_reason() or "no link yet")

    def wait_connected(self, timeout: float) -> bool:
        """Until there is a link to somebody. False when there is none in time."""
        deadline = monotonic() + timeout
        while not self.connected:
            if monotonic() >= deadline:
                return False
            sleep(0.02)
        return True

    def close(self) -> None:
        """Close everything made from it; reliable publishers stay while somebody still asks for what they sent."""
        with self._lock:  # what is made at the same time is either closed here or refused
            if not self._open:
                return
            self._open = False
        with ExitStack() as ending:  # from the last to the first; one that fails keeps no other
            ending.callback(self.session.close)
            ending.callback(self._end_publishers)
            ending.callback(self.keeper.close)
            ending.callback(self._linger)
            for made in reversed(self._made):
                ending.callback(made.close)

    def forget(self, made: object) -> None:
        """It has ended."""
        with self._lock:
            self._made = [other for other in self._made if other is not made]
        self.rights.forget(made)

    leave = forget

    def silenced(self, publisher: ZenohPublisher) -> None:
        """It sends nothing more: how its source is says nothing, unless another one here publishes the stream."""
        if not any(publisher.key == other.key for other in self._publishers() if not other.closed):
            self._states.tell(publisher.key, "")

    def _publishers(self) -> list[ZenohPublisher]:
        return [made for made in self._made if isinstance(made, ZenohPublisher)]

    def _end_publishers(self) -> None:
        with ExitStack() as ending:
            for publisher in self._publishers():
                ending.callback(publisher.end)

    def _keep(self, made: M, *wants: Want) -> M:
        with self._lock:
            kept = self._open
            if kept:
                self._made.append(made)
        if not kept:  # closed while it was made: nobody else would end it
            try:
                (made.end if isinstance(made, ZenohPublisher) else made.close)()
            finally:
                self._check_open()
        self.rights.keep(made, wants)
        return made

    def _end_closed(self, spool: Path) -> None:
        """Whoever was closed, and stays only to be asked for what is in this spool, has a successor now."""
        for publisher in self._publishers():
            if publisher.spool and publisher.spool.path == spool and publisher.closed:
                publisher.end()

    def _follow(self) -> Tokens:
        kinds = (ALIVE, GROUP, STATE)
        return Tokens(
            self.session, [f"{key_pattern('**', scope)}/{kind}/**" for scope in self.scopes for kind in kinds]
        )

    def _check_open(self) -> None:
        if not self._open:
            raise UsageError("these streams were closed")

    def _linger(self) -> None:
        deadline = monotonic() + MOST_LINGER_S
        lasting = ZenohPublisher | ZenohGroupSubscription
        while monotonic() < deadline and any(
            isinstance(made, lasting) and made.lingers(monotonic()) for made in self._made
        ):
            sleep(0.05)


class _ZenohAnswering:
    """Answers the requests that come to one key."""

    def __init__(self, place: ZenohStreams, key: str, stream: str, work: Answer) -> None:
        self._place = place
        self._key = key
        self._thread = AnswerThread(stream, work, lambda _: None)
        self._header = HeaderWriter(0, 0)
        with ExitStack() as made:
            made.callback(self._thread.close)
            made.callback(place.session.declare_queryable(key, self._asked).undeclare)
            self._ending = made.pop_all()

    def close(self) -> None:
        """Stop answering."""
        with ExitStack() as ending:  # also when the session has ended
            ending.callback(self._place.forget, self)
            ending.callback(self._ending.close)

    def _asked(self, query: zenoh.Query) -> None:
        try:
            attachment = query.attachment.to_bytes() if query.attachment is not None else b""
            if query.payload is not None and len(query.payload) > MAX_PAYLOAD:
                raise InputError("the request is too large", where=self._thread.stream)
            payload = query.payload.to_bytes() if query.payload is not None else b""
            frame = read_header(attachment).frame(payload, self._thread.stream)
        except InputError as error:
            self._place.keeper.do(partial(self._reply, query, error))
            return
        self._thread.take(frame, lambda outcome: self._place.keeper.do(lambda: self._reply(query, outcome)))

    def _reply(self, query: zenoh.Query, outcome: Outcome) -> None:
        with query:
            try:
                if not isinstance(outcome, WeftError):
                    payload = checked(outcome, self._thread.stream)
                    query.reply(self._key, payload, attachment=self._header.write(outcome, 0))
                    return
            except InputError as error:  # an answer that does not fit is told as well
                outcome = error
            query.reply_err(str(outcome).encode())


def _outcome(reply: zenoh.Reply, stream: str) -> Outcome:
    if reply.ok is None:
        text = reply.err.payload.to_string() if reply.err is not None else ""
        return nobody(stream) if not text or text == "Timeout" else PipelineError(text, where=stream)
    sample = reply.ok
    if len(sample.payload) > MAX_PAYLOAD:
        return InputError("the answer is too large", where=stream)
    try:
        header = read_header(sample.attachment.to_bytes() if sample.attachment is not None else b"")
    except InputError as error:
        return error
    return header.frame(sample.payload.to_bytes(), stream)


def _note(found: dict[tuple[str, str], StreamInfo], key: str, members: Sequence[GroupToken]) -> None:
    name, scope = stream_of(key), scope_of(key)
    last = key.rsplit("/", 1)[1]
    if not last.isascii() or not last.isdigit():
        return  # a token that no Weft declared
    flags = int(last)
    shown = "global" if scope == GLOBAL else scope
    before = found.get((name, shown))
    count = before.publishers + 1 if before else 1
    groups = before.groups if before else groups_of(members, key.partition(f"/{ALIVE}/")[0])
    found[name, shown] = StreamInfo(name, shown, delivery_of(flags), bool(flags & LATEST), count, groups)
