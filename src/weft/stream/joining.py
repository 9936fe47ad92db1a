"""Joining a site: what options and documents say of it, made into streams."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core.errors import UsageError
from weft.stream import credentials

if TYPE_CHECKING:
    from weft.stream.access import Access
    from weft.stream.zenoh.link import Link
    from weft.stream.zenoh.session import Status, ZenohStreams

PATIENCE_S = 10.0
LOOK_EVERY_S = 0.5

NEEDS_CERTIFICATE = ("quic/", "tls/")

log = logging.getLogger("weft.stream")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Joining:
    """How a process joins a site.

    Attributes:
        connect: routers to connect to, as people write them: ``quic/edge:7447``, or ``edge`` for short.
        listen: where others may connect to.
        site: the site's name.
        cert: the file of the certificate; :func:`weft.stream.credentials.identity` finds one if absent.
        patience_s: seconds to wait for the first link.
        access: the file of the rules for those it has links to.
    """

    connect: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    site: str = "site"
    cert: Path | None = None
    patience_s: float = PATIENCE_S
    access: Path | None = None

    def link(self) -> Link:
        """Raises UsageError for what is no endpoint, and where there is none at all; DeniedError, InputError and
        NotFoundError for the certificate; DocumentError as well for the rules."""
        from weft.stream.zenoh.link import Link, endpoint

        connect, listen = tuple(map(endpoint, self.connect)), tuple(map(endpoint, self.listen))
        if not connect and not listen:
            raise UsageError(
                "no site to join", cure="--connect quic/edge:7447, or connect: under streams: in the document"
            )
        secured = any(text.startswith(NEEDS_CERTIFICATE) for text in (*connect, *listen))
        access, names = ruled(self.access)
        identity = credentials.identity(self.cert) if secured else None
        return Link(connect, listen, identity, self.site, access=access, names=names)

    def open(self, tell: Tell = log.warning) -> ZenohStreams:
        """The site's streams. ``tell`` is told, on another thread, when the last link is lost and when one is back.

        One that only connects waits for its link. Raises UnavailableError when there is none in time, and as
        :meth:`link`.
        """
        from weft.stream.zenoh.session import ZenohStreams

        streams = ZenohStreams(self.link(), self.patience_s)
        watch_links(streams, tell)
        if streams.gate is not None:
            streams.gate.watch(partial(_tell_new, tell))
        return streams


def ruled(access: Path | None) -> tuple[Access | None, frozenset[str]]:
    """The rules in a file, and the names that those with a ``*`` may be for. Raises as :meth:`Access.load`."""
    if access is None:
        return None, frozenset()
    from weft.stream.access import Access
    from weft.stream.known_names import known_names

    return Access.load(access), known_names()


def _tell_new(tell: Tell, name: str) -> None:
    from weft.stream.known_names import remember

    remember([name])
    tell(f"'{name}' is new here, and has its rights when this is started again")


def watch_links(streams: ZenohStreams, tell: Tell) -> None:
    """Tell whenever the last link is lost, and when there is one again."""
    from weft.core.clock import monotonic

    links = LinkNews(tell)

    def look(now: float) -> float:
        links.look(streams.status())
        return now + LOOK_EVERY_S

    streams.keeper.call(look, monotonic() + LOOK_EVERY_S)


class LinkNews:
    """Says what changed about the links of a process."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._were: bool | None = None

    def look(self, status: Status) -> None:
        """Compare with what was there before."""
        are = bool(status.links)
        if self._were and not are:
            self._tell("the link to the site is lost; trying to join it again")
        elif are and self._were is False:
            self._tell(f"joined: {', '.join(status.links)}")
        self._were = are
