"""The options of every command that joins a site, and joining it: told at once, and tried until it works."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from weft.cli.streams import say
from weft.core.errors import UnavailableError
from weft.core.text import visible
from weft.core.units import parse_duration

if TYPE_CHECKING:
    from weft.stream.joining import Joining
    from weft.stream.zenoh.session import ZenohStreams

VARIABLE = "WEFT_CONNECT"
HERE = "quic/localhost:7447"
"""The router of this machine, where no other is named."""

FIRST_S = 2.0
"""Seconds of silence before it is told that nobody is there."""

AGAIN_S = 10.0

Endpoints = Annotated[list[str], Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SiteOptions:
    """How a command joins a site."""

    connect: Endpoints = field(default_factory=list)
    """A router to connect to, such as quic/edge:7447; $WEFT_CONNECT, or the router of this machine, by default."""
    listen: Endpoints = field(default_factory=list)
    """Where others may connect to, such as quic/0.0.0.0:7448."""
    site: str = "site"
    """The site's name. Streams that are not global stay within it."""
    cert: Path | None = None
    """The certificate, a file from weft cert; $WEFT_CERT, or the one in this user's settings, by default."""
    access: Path | None = None
    """Rules for those who connect to --listen, a document as for weft router --access."""
    connect_timeout: str | None = None
    """Give up with exit code 69 when there is no link after this time, such as 10s; tried for ever by default."""

    def joining(self) -> Joining:
        """What they say. Raises UsageError."""
        from weft.stream.joining import Joining

        connect = tuple(self.connect) or (() if self.listen else (os.environ.get(VARIABLE) or HERE,))
        timeout = patience(self.connect_timeout)
        return Joining(connect, tuple(self.listen), self.site, self.cert, timeout, self.access)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Joins:
    """What ``weft run`` says of a site; it goes before what the pipeline's document says."""

    connect: Endpoints = field(default_factory=list)
    """Pipelines: a router whose site it shares its streams with, such as quic/edge:7447."""
    listen: Endpoints = field(default_factory=list)
    """Pipelines: where others may connect to, such as quic/0.0.0.0:7448."""
    site: str | None = None
    """Pipelines: the site's name."""
    cert: Path | None = None
    """Pipelines: the certificate, a file from weft cert; $WEFT_CERT, or the one in this user's settings, by default."""
    access: Path | None = None
    """Pipelines: rules for those who connect to --listen, a document as for weft router --access."""
    connect_timeout: str | None = None
    """Pipelines: give up with exit code 69 when there is no link after this time, such as 10s."""

    @property
    def section(self) -> dict[str, object] | None:
        """As a document's ``streams:``; None where nothing of it was written."""
        written: dict[str, object] = {"connect": self.connect, "listen": self.listen, "site": self.site}
        files = {"cert": self.cert, "access": self.access}
        written |= {name: str(file.absolute()) for name, file in files.items() if file is not None}
        return {key: value for key, value in written.items() if value} or None

    @property
    def patience_s(self) -> float:
        """Seconds that the first link may take. Raises UsageError."""
        return patience(self.connect_timeout)


def patience(timeout: str | None) -> float:
    """Seconds to wait for the first link; without an end where nothing is said. Raises UsageError."""
    return math.inf if timeout is None else parse_duration(timeout)


def join(joining: Joining) -> ZenohStreams:
    """The site's streams. That nobody is there is told once, with why, and it is tried again.

    Raises UnavailableError when the patience ends, and as :meth:`weft.stream.joining.Joining.open`.
    """
    from weft.core.clock import monotonic
    from weft.stream.zenoh.told import listen_in

    listen_in()
    deadline = monotonic() + joining.patience_s
    told = False
    while True:
        pause = AGAIN_S if told else FIRST_S
        try:
            streams = replace(joining, patience_s=min(pause, max(0.0, deadline - monotonic()))).open(_tell)
        except UnavailableError as error:
            if joining.listen or monotonic() >= deadline:
                raise
            if not told:
                _tell(f"no link to {error.where} yet; trying on, Ctrl-C ends it\n  cure: {error.cure}")
            told = True
        else:
            if told:
                _tell("joined")
            return streams


@contextmanager
def joined(options: SiteOptions) -> Iterator[ZenohStreams]:
    """The site's streams, left at the end. Raises as :func:`join`."""
    streams = join(options.joining())
    try:
        yield streams
    finally:
        streams.close()


def _tell(text: str) -> None:
    say(visible(text, keep="\n") + "\n")
