"""A site's router: its certificate, where it listens, and who comes and goes."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core.errors import UnavailableError
from weft.stream import credentials
from weft.stream.identity import Identity, fingerprint, own_hosts
from weft.stream.joining import ruled

if TYPE_CHECKING:
    from weft.stream.zenoh.renewing import RenewedStreams
    from weft.stream.zenoh.session import ZenohStreams
    from weft.stream.zenoh.visitors import Visitors

ROUTER = "router"
"""The name in a router's certificate, where its own machine's authority issues it."""

log = logging.getLogger("weft.router")


@dataclass(frozen=True, slots=True)
class Router:
    """A router that runs.

    Attributes:
        listen: its endpoints, with the ports it took.
        site: the site's name.
        identity: its certificate.
        visitors: who is there, and how often links came and went.
    """

    listen: tuple[str, ...]
    site: str
    identity: Identity
    visitors: Visitors
    _renewed: RenewedStreams

    @property
    def streams(self) -> ZenohStreams:
        """The site's streams, seen from it. They are others once a device of a new name has come; see ``access``."""
        return self._renewed.streams

    @property
    def refused(self) -> Mapping[tuple[str, str], int]:
        """How often something was refused, by the certificate's name and the right."""
        return self._renewed.refused

    @property
    def rejected(self) -> int:
        """How many were turned away because of their certificate, as far as somebody listens to Zenoh's log."""
        from weft.stream.zenoh.told import rejected

        return rejected()

    @property
    def renewals(self) -> int:
        """How often all links were made anew, because of new names."""
        return self._renewed.renewals

    def about(self) -> Iterator[str]:
        """What whoever started it wants to know, line by line."""
        yield f"router of '{self.site}', listening on {', '.join(self.listen)}"
        yield f"authority {fingerprint(self.identity.authority)}"
        if credentials.has_authority():
            yield f"in {credentials.site_folder()}; `weft cert NAME` issues a certificate for a device"

    def close(self) -> None:
        """Stop forwarding."""
        self._renewed.close()


def open_router(
    listen: tuple[str, ...],
    connect: tuple[str, ...],
    site: str,
    names: tuple[str, ...] = (),
    cert: Path | None = None,
    access: Path | None = None,
) -> Router:
    """A router that listens. Who connects and who leaves goes to the log ``weft.router``.

    Without ``cert``, the authority on this machine issues its certificate, for its own names and ``names``; the
    authority is made where there is no certificate at all. With the rules in ``access``, devices may do what those
    allow and nothing else. Raises UnavailableError when it cannot listen, UsageError; DocumentError for the rules.
    """
    from weft.stream.zenoh.link import Link, endpoint
    from weft.stream.zenoh.renewing import RenewedStreams
    from weft.stream.zenoh.visitors import Visitors

    places = tuple(with_port(endpoint(text)) for text in listen)
    rules, known = ruled(access)
    shown = _identity(cert, names)
    link = Link(tuple(map(endpoint, connect)), places, shown, site, router=True, access=rules, names=known)
    visitors = Visitors(log.info)
    return Router(places, site, shown, visitors, RenewedStreams(link, visitors.watch))


def with_port(endpoint: str) -> str:
    """An endpoint with a free port in place of port 0. Raises UnavailableError when there is none."""
    protocol, _, address = endpoint.partition("/")
    host, colon, port = address.rpartition(":")
    if not colon or port != "0":
        return endpoint
    kind = socket.SOCK_DGRAM if protocol == "quic" else socket.SOCK_STREAM
    bare = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET, kind) as probe:
            probe.bind((bare, 0))
            return f"{protocol}/{host}:{probe.getsockname()[1]}"
    except OSError as error:
        cure = "name an address of this machine, or 0.0.0.0"
        raise UnavailableError(f"cannot listen: {error.strerror}", where=endpoint, cure=cure) from error


def _identity(cert: Path | None, names: tuple[str, ...]) -> Identity:
    """The named certificate, this user's where no authority is here, else one issued now."""
    if cert is not None or credentials.is_named():
        return credentials.identity(cert)
    if not credentials.has_authority() and credentials.has_own():
        return credentials.identity()
    hosts = tuple(dict.fromkeys((*own_hosts(), *names)))
    return credentials.authority().issue(ROUTER, hosts)
