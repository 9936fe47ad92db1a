"""At a process that has rules: it tells each peer what they allow, and the log who was refused what."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

import zenoh

from weft.core.errors import UsageError
from weft.stream.access import RIGHTS, Access
from weft.stream.names import GLOBAL, key_pattern, may_key
from weft.stream.seldom import Seldom
from weft.stream.zenoh.rights import Want, cure

if TYPE_CHECKING:
    from weft.stream.zenoh.session import ZenohStreams

MAX_QUESTION = 4096
"""Bytes of a peer's question."""

MAX_NAMES = 10_000
"""Names of certificates that refusals are counted for."""

log = logging.getLogger("weft.access")


class Gate:
    """Says what the rules allow. Holding to them is Zenoh's business.

    Attributes:
        refused: how often something was refused, by the certificate's name and the right.
    """

    def __init__(self, place: ZenohStreams, access: Access, names: Collection[str]) -> None:
        self.refused: Counter[tuple[str, str]] = Counter()
        self._place = place
        self._access = access
        self._names = names
        self._seldom = Seldom()
        self._key = may_key(str(place.session.zid()))
        self._queryable = place.session.declare_queryable(self._key, self._asked)

    def watch(self, new: Callable[[str], None]) -> None:
        """Tell of those who come and have no rule; ``new`` is told the names that Zenoh has still to be told of.

        It is called on one of Zenoh's threads, and must not call Zenoh.
        """

        def changed(event: zenoh.LinkEvent) -> None:
            name = event.link.auth_identifier or ""
            if event.kind != zenoh.SampleKind.PUT:
                return
            if self._access.missing(name, self._names):
                new(name)
            elif not any(self._access.rights(name).values()) and self._seldom.due(name):
                log.warning("'%s' may do nothing here: no rule is for it\n  cure: add one to %s", name, self._where)

        self._place.session.info.declare_link_events_listener(changed, history=True)

    @property
    def _where(self) -> str:
        return self._access.where or "the rules"

    def _asked(self, query: zenoh.Query) -> None:
        self._place.keeper.do(partial(self._answer, query))

    def _answer(self, query: zenoh.Query) -> None:
        with query:
            question = _read(query)
            if question is None:
                return
            zid, want = question
            links = self._place.session.info.links()
            name = next((link.auth_identifier or "" for link in links if str(link.zid) == zid), None)
            if name is None:
                return  # it asks for somebody who is not here
            # What Zenoh was not told of yet is refused, whatever the rules say.
            rights = self._access.rights("" if self._access.missing(name, self._names) else name)
            if want is not None and not want.within(rights):
                self._tell(name, want)
            told = {right: [[grant.pattern, grant.scope] for grant in rights[right]] for right in RIGHTS}
            query.reply(self._key, json.dumps({"name": name, "rights": told}).encode())

    def _tell(self, name: str, want: Want) -> None:
        if (name, want.right) in self.refused or len(self.refused) < MAX_NAMES:
            self.refused[name, want.right] += 1
        if self._seldom.due(f"{name} {want.right} {want.stream}"):
            log.warning("'%s' may not %s\n  cure: %s", name, want.words, cure(name, want))


def _read(query: zenoh.Query) -> tuple[str, Want | None] | None:
    """Who asks, and what it wants; None for a question that is none."""
    payload = query.payload
    if payload is None or len(payload) > MAX_QUESTION:
        return None
    try:
        asked: dict[str, Any] = json.loads(payload.to_bytes())
        zid = str(asked["zid"])
        if "right" not in asked:
            return zid, None
        want = Want(asked["right"], str(asked["stream"]), asked["scope"], bool(asked["whole"]))
        key_pattern(want.stream, GLOBAL)
    except (ValueError, TypeError, KeyError, UsageError):
        return None
    return (zid, want) if want.right in RIGHTS and want.scope in ("site", "global", None) else None
