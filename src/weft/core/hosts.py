"""Hosts to which a function may make HTTP requests: how they are written, and what they cover."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from weft.core.errors import UsageError

Address = IPv4Address | IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The schemes a request may have, with the port of each."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LAST_LABEL = re.compile(r".*[a-z]")
_LONGEST = 253
_PORT = re.compile(r"[0-9]{1,5}")
_CURE = "write HOST[:PORT], like api.example.org, *.example.org:8443, 10.0.0.5 or [::1]:8080"


@dataclass(frozen=True, slots=True)
class HostGrant:
    """Hosts a guest may make HTTP requests to.

    Attributes:
        host: a name, ``*.`` and a name for all names below it, an address, or a network such as ``10.0.0.0/8``.
        port: the one port that is meant; None for the usual one of the request's scheme, 80 or 443.
    """

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        scheme: ``http`` or ``https``.
        host: a name in small letters, or an address without brackets.
        port: the port, written or the scheme's own.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """As a grant would be written."""
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return str(HostGrant(self.host, None if usual else self.port))

    def granted(self, grants: Iterable[HostGrant]) -> bool:
        """Whether one of the grants is for this host and port."""
        return any(self._port_of(grant) and _names(grant.host, self.host) for grant in grants)

    def reaches(self, address: Address, grants: Iterable[HostGrant]) -> bool:
        """Whether this request may connect to an address that its host has.

        A public one, yes. Any other belongs to somebody's own network, and a name can be pointed there by whoever owns
        the name: so it must have been granted itself. For ``localhost`` there is no doubt which it is.
        """
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_global and not address.is_multicast:
            return True
        if address.is_loopback and (self.host == "localhost" or self.host.endswith(".localhost")):
            return True
        return any(self._port_of(grant) and _covers(grant.host, address) for grant in grants)

    def _port_of(self, grant: HostGrant) -> bool:
        return self.port == (DEFAULT_PORTS[self.scheme] if grant.port is None else grant.port)


def parse_host(text: str) -> HostGrant:
    """A grant from ``HOST[:PORT]``.

    Raises UsageError for any other form, among them a URL and a bare ``*``.
    """
    host, port = _apart(text)
    wild = host.startswith("*.")
    name = host[2:] if wild else host
    network = None if wild else _network(name)
    if network is not None:
        whole = network.num_addresses == 1
        return HostGrant(str(network.network_address if whole else network), port)
    plain = _plain(name)
    if plain is None:
        raise _no_grant(text)
    return HostGrant(f"*.{plain}" if wild else plain, port)


def parse_target(scheme: str, authority: str) -> Target | None:
    """Where a request to ``authority`` goes; None where it is no host, or the scheme none of HTTP's."""
    if scheme not in DEFAULT_PORTS or "/" in authority:
        return None
    try:
        grant = parse_host(authority)
    except UsageError:
        return None
    if grant.host.startswith("*"):
        return None
    return Target(scheme, grant.host, DEFAULT_PORTS[scheme] if grant.port is None else grant.port)


def literal(host: str) -> Address | None:
    """The address that ``host`` is, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _apart(text: str) -> tuple[str, int | None]:
    """Host and port."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise _no_grant(text)
        colon, port = rest[:1], rest[1:]
    elif text.count(":") > 1:
        host, colon, port = text, "", ""
    else:
        host, colon, port = text.partition(":")
    if not colon:
        return host, None
    if not _PORT.fullmatch(port) or not 0 < int(port) < 2**16:
        raise _no_grant(text)
    return host, int(port)


def _network(host: str) -> IPv4Network | IPv6Network | None:
    try:
        return None if "%" in host else ip_network(host)
    except ValueError:
        return None


def _plain(name: str) -> str | None:
    """A name in the form in which names are compared; None where it is none."""
    try:
        plain = name.lower().removesuffix(".").encode("idna").decode() if name else ""
    except UnicodeError:
        return None
    labels = plain.split(".")
    fits = len(plain) <= _LONGEST and all(map(_LABEL.fullmatch, labels))
    # What ends in a number is an address to some resolvers: 127.1, 0x7f.1
    return plain if fits and _LAST_LABEL.fullmatch(labels[-1]) and not labels[-1].startswith("0x") else None


def _names(granted: str, host: str) -> bool:
    address = literal(host)
    if address is not None:
        return _covers(granted, address)
    return host.endswith(granted[1:]) if granted.startswith("*.") else host == granted


def _covers(granted: str, address: Address) -> bool:
    network = _network(granted)
    return network is not None and address in network


def _no_grant(text: str) -> UsageError:
    if "://" in text:
        return UsageError(f"'{text[:80]}' is a URL, and hosts are granted", cure=_CURE)
    if text.startswith("*"):
        return UsageError(f"'{text[:80]}' grants too much", cure="name the hosts: *.example.org is all names below one")
    return UsageError(f"'{text[:80]}' is no host", cure=_CURE)
