"""How a process joins others: where it connects and listens, and who it is; and Zenoh's configuration for that."""

from __future__ import annotations

import ipaddress
import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any

import zenoh

from weft.core.errors import DeniedError, UsageError
from weft.core.suggest import did_you_mean
from weft.stream.access import Access
from weft.stream.identity import Identity
from weft.stream.names import check_site

DEFAULT_PORT = 7447

OPEN_TIMEOUT_MS = 4000
"""A try to connect to somebody who does not answer takes that long."""

LEASE_MS = 4000
"""A peer that says nothing for so long is gone: a process that was killed, a link that is cut."""

NODE_WAIT_US = 100_000
"""How long a sender waits for its own link to take a frame, which is what holds a fast source to its network."""

ROUTER_WAIT_US = 20_000
"""How long a router waits, once, for a consumer that stops reading; from then on that consumer's frames are dropped,
and the reliable ones asked for again when it reads on."""

_ENCRYPTED = ("quic", "tls")
_LOCAL = ("unixsock-stream",)
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"[\w./-]+")


@dataclass(frozen=True, slots=True)
class Link:
    """How a process takes part.

    Attributes:
        connect: endpoints it connects to, such as ``quic/edge:7447``.
        listen: endpoints it listens on.
        identity: its certificate; needed for QUIC and TLS.
        site: the site it belongs to; its streams stay there unless they are global.
        router: it forwards between others.
        shared_memory: frames between processes of one machine go through shared memory.
        access: what those it has links to may do; everything if absent. Devices are known by their certificates, so
            it goes with QUIC and TLS only.
        names: names of certificates that its rules with a ``*`` may be for; see :meth:`Access.form`.
    """

    connect: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    identity: Identity | None = field(default=None, repr=False)
    site: str = "site"
    router: bool = False
    shared_memory: bool = True
    access: Access | None = None
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_site(self.site)
        for text in (*self.connect, *self.listen):
            _check_endpoint(text, secured=self.identity is not None)
            if self.access is not None and not text.startswith(tuple(f"{protocol}/" for protocol in _ENCRYPTED)):
                what = f"{text}: rules know devices by their certificates, and nobody shows one there"
                raise UsageError(what, cure="use quic/, or leave out the rules")

    @property
    def alone(self) -> bool:
        """True where it may be there without anybody else: it listens, or forwards, or names nobody to join."""
        return self.router or bool(self.listen) or not self.connect


def endpoint(text: str) -> str:
    """An endpoint as people write it: ``edge`` and ``edge:7447`` are short for ``quic/edge:7447``.

    Raises UsageError.
    """
    protocol, slash, address = text.partition("/")
    if not slash:
        protocol, address = "quic", text
    if protocol in _LOCAL:
        host, port = "", "0"
        good = _PATH.fullmatch(address) is not None
    else:
        host, port = _host_and_port(address)
        good = _HOST.fullmatch(host) is not None and port.isascii() and port.isdigit() and int(port) <= 0xFFFF
    if not good:
        # Also whatever follows a '?' or '#': Zenoh would take settings there, down to leaving out verification.
        raise UsageError(f"'{text}' is no endpoint", cure="write it like quic/edge:7447")
    return f"{protocol}/{address}" if protocol in _LOCAL else f"{protocol}/{host}:{int(port)}"


def configuration(link: Link) -> zenoh.Config:
    """Zenoh's configuration for a link."""
    config = zenoh.Config()
    for path, value in _settings(link).items():
        config.insert_json5(path, json.dumps(value))
    return config


def _settings(link: Link) -> dict[str, Any]:
    wait = ROUTER_WAIT_US if link.router else NODE_WAIT_US
    settings: dict[str, Any] = {
        "mode": "router" if link.router else "peer" if link.alone else "client",
        "connect/endpoints": link.connect,
        "connect/timeout_ms": -1 if link.alone else 0,  # see opening.py: Zenoh would wait for ever, without a word
        "transport/unicast/open_timeout": OPEN_TIMEOUT_MS,
        "connect/exit_on_failure": False,
        "connect/retry": {"period_init_ms": 200, "period_max_ms": 4000, "period_increase_factor": 2},
        "listen/endpoints": link.listen,
        "transport/link/tx/lease": LEASE_MS,
        "scouting/multicast/enabled": False,  # nobody is spoken to who was not named
        "scouting/gossip/enabled": False,
        "transport/link/tx/queue/congestion_control/drop": {
            "wait_before_drop": wait,
            "max_wait_before_drop_fragments": 4 * wait,
        },
        "transport/shared_memory": {
            "enabled": link.shared_memory,
            "transport_optimization": {"enabled": link.shared_memory, "message_size_threshold": 4096},
        },
    }
    if link.identity is not None:
        settings["transport/link/tls"] = _tls(link.identity)
    if link.access is not None:
        settings["access_control"] = link.access.form(link.site, link.names)
    return settings


def _tls(identity: Identity) -> dict[str, Any]:
    """Both sides show a certificate of the site's authority, and names are verified."""
    authority, certificate, key = (
        b64encode(pem).decode() for pem in (identity.authority, identity.certificate, identity.key)
    )
    return {
        "root_ca_certificate_base64": authority,
        "listen_certificate_base64": certificate,
        "listen_private_key_base64": key,
        "connect_certificate_base64": certificate,
        "connect_private_key_base64": key,
        "enable_mtls": True,
        "verify_name_on_connect": True,
    }


def _host_and_port(address: str) -> tuple[str, str]:
    host, colon, port = address.rpartition(":")
    return (host, port) if colon and not address.endswith("]") else (address, str(DEFAULT_PORT))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _check_endpoint(text: str, *, secured: bool) -> None:
    protocol, _, address = text.partition("/")
    if endpoint(text) != text:
        raise UsageError(f"'{text}' is no whole endpoint", cure=f"write {endpoint(text)}")
    if protocol in _ENCRYPTED:
        if not secured:
            what = f"{text} needs a certificate"
            raise DeniedError(what, cure="`weft cert NAME` on the router's machine makes one; name it with --cert")
    elif protocol == "tcp":
        if not _is_loopback(_host_and_port(address)[0]):
            raise DeniedError(f"{text} would not be encrypted", cure=f"use quic/{address}")
    elif protocol not in _LOCAL:
        known = (*_ENCRYPTED, "tcp", *_LOCAL)
        cure = did_you_mean(protocol, known) or f"one of {', '.join(known)}"
        raise UsageError(f"no transport '{protocol}' in {text}", cure=cure)
