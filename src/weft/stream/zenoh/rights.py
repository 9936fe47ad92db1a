"""What the rules of others allow this process: asked once per link, because Zenoh drops in silence what is refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import zenoh
from zenoh.handlers import Callback

from weft.core.clock import monotonic
from weft.core.errors import DeniedError
from weft.stream.access import RIGHTS, Grant, Right, Rights, allows
from weft.stream.names import may_key

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

ANSWER_S = 2.0
"""Who does not say by then what its rules allow is taken to allow everything; it may still refuse it."""

SETTLE_S = 0.5
"""After a link came up: a router that has just started says only then what its rules are."""

MAX_ANSWER = 2**20
"""Bytes of such an answer."""

log = logging.getLogger("weft.stream")


@dataclass(frozen=True, slots=True)
class Want:
    """Something a process needs a right for.

    Attributes:
        right: which one.
        stream: a stream, or a pattern.
        scope: "site" or "global"; None where either will do.
        whole: all of a pattern, not only the streams in it that are allowed.
    """

    right: Right
    stream: str
    scope: str | None = None
    whole: bool = False

    def within(self, rights: Rights) -> bool:
        """Whether they allow it."""
        return allows(rights, self.right, self.stream, self.scope, whole=self.whole)

    @property
    def words(self) -> str:
        """As sentences say it."""
        return f"{'subscribe to' if self.right == 'subscribe' else self.right} '{self.stream}'"


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody's rules allow this process.

    Attributes:
        name: of this process's certificate, as the other one sees it.
        rights: what it may do; None where there are no rules.
    """

    name: str = ""
    rights: Rights | None = None

    def refuses(self, want: Want) -> bool:
        """Whether it would be dropped there."""
        return self.rights is not None and not want.within(self.rights)


class Standing:
    """What this process may do, by the rules of those it has links to."""

    def __init__(self, place: ZenohStreams) -> None:
        self._place = place
        self._lock = Lock()
        self._answers: dict[str, Answer] = {}
        self._wants: dict[int, tuple[Want, ...]] = {}
        # On Zenoh's own thread: one of Python's would keep a process alive that forgets to close its streams.
        direct = Callback(self._changed, indirect=False)
        self._listener = place.session.info.declare_transport_events_listener(direct)

    def need(self, *wants: Want) -> None:
        """Raises DeniedError where nobody there is a link to allows one of them; warns where only some do."""
        for want in wants:
            linked = {zid: self._answer(zid) for zid in self._linked()}
            refusing = {zid: answer for zid, answer in linked.items() if answer.refuses(want)}
            for zid in refusing:
                self._wait_asked(zid, want)  # so that it is told there, too: who is gone by then is not looked up
            if refusing and len(refusing) == len(linked):
                raise self._denied(want, *next(iter(refusing.items())))
            for zid, answer in refusing.items():
                log.warning("%s", self._denied(want, zid, answer))

    def keep(self, made: object, wants: Iterable[Want]) -> None:
        """Look again whenever a link comes back, until :meth:`forget`: the rules may be others then."""
        with self._lock:
            self._wants[id(made)] = tuple(wants)

    def forget(self, made: object) -> None:
        """It was closed."""
        with self._lock:
            self._wants.pop(id(made), None)

    def answers(self) -> list[Answer]:
        """What those that there is a link to allow this process; asked where it is not known yet."""
        return [self._answer(zid) for zid in self._linked()]

    def _linked(self) -> list[str]:
        info = self._place.session.info
        return [str(zid) for zid in (*info.routers_zid(), *info.peers_zid())]

    def _answer(self, zid: str) -> Answer:
        """What somebody's rules are; asked where it is not known yet."""
        with self._lock:
            known = self._answers.get(zid)
        if known is not None:
            return known
        self._wait_asked(zid)
        with self._lock:
            return self._answers.get(zid, Answer())

    def _wait_asked(self, zid: str, want: Want | None = None) -> None:
        """Ask somebody, and wait until the answer is there or the time for it over."""
        done = Event()
        self._ask(zid, want, done.set)
        done.wait(ANSWER_S)

    def _ask(self, zid: str, want: Want | None = None, then: Callable[[], None] = lambda: None) -> None:
        """Ask somebody; without an answer, there are no rules."""
        found: list[Answer | None] = []

        def take(reply: zenoh.Reply) -> None:
            found.append(_read(reply))

        def end() -> None:
            answer = found[0] if found else Answer()
            if answer is not None:
                with self._lock:
                    self._answers[zid] = answer
            then()

        question = {"zid": str(self._place.session.zid()), **(asdict(want) if want else {})}
        payload = json.dumps(question).encode()
        self._place.session.get(may_key(zid), Callback(take, end), timeout=ANSWER_S, payload=payload)

    def _denied(self, want: Want, zid: str, answer: Answer) -> DeniedError:
        links = (link.auth_identifier or link.dst for link in self._place.session.info.links() if str(link.zid) == zid)
        return denied(answer.name, want, next(links, "the router"))

    # --- when links change -------------------------------------------------------------

    def _changed(self, event: zenoh.TransportEvent) -> None:
        """One of Zenoh's callbacks, which must not call Zenoh."""
        zid = str(event.transport.zid)
        with self._lock:
            self._answers.pop(zid, None)
            wanted = bool(self._wants)
        if wanted and event.kind == zenoh.SampleKind.PUT:
            self._place.keeper.call(partial(self._look, zid), monotonic() + SETTLE_S)

    def _look(self, zid: str, now: float) -> None:
        self._ask(zid, then=lambda: self._place.keeper.do(partial(self._warn, zid)))

    def _warn(self, zid: str) -> None:
        with self._lock:
            answer = self._answers.get(zid, Answer())
            wants = {want: None for wants in self._wants.values() for want in wants}
        for want in wants:
            if answer.refuses(want):
                self._ask(zid, want)
                log.warning("%s", self._denied(want, zid, answer))


def denied(name: str, want: Want, where: str) -> DeniedError:
    """The error for something that rules do not allow."""
    who = f"'{name}'" if name else "a device without a certificate"
    return DeniedError(f"{who} may not {want.words}", where=where, cure=cure(name, want))


def cure(name: str, want: Want) -> str:
    """The rule that is missing."""
    return f"start the router with this among its rules: {{certificate: {name}, {want.right}: [{want.stream}]}}"


def _read(reply: zenoh.Reply) -> Answer | None:
    """What rules somebody has; None where nothing can be made of the answer."""
    sample = reply.ok
    if sample is None or len(sample.payload) > MAX_ANSWER:
        return None
    try:
        told: dict[str, Any] = json.loads(sample.payload.to_bytes())
        rights: Rights = {
            right: tuple(Grant(str(pattern), scope) for pattern, scope in told["rights"][right]) for right in RIGHTS
        }
        return Answer(str(told["name"]), rights)
    except (ValueError, TypeError, KeyError):
        return None
