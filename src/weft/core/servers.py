"""Servers that are asked: brokers of MQTT and web servers, by the addresses that people write."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from weft.core.address import redacted
from weft.core.errors import UsageError
from weft.core.hosts import Target, parse_target

OWN_FILES = ("ca", "cert", "password_file", "token_file")
"""What a source that asks a server may say of files, relative to the document's folder."""

MAX_TOPIC = 65_535
"""Bytes of a topic, by the protocol."""

SHARED = "$share/"
"""Begins a subscription whose messages a broker deals out among several."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {"authorization", "host", "accept-encoding", "connection", "content-length", "transfer-encoding", "range"}
_OURS |= {"if-none-match", "if-modified-since"}
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_MQTT_CURE = "write mqtt://HOST[:PORT]/TOPIC, such as mqtt://broker/factory/+/image, or mqtts:// for TLS"
_WEB_CURE = "write http://HOST[:PORT]/PATH or https://…"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where messages are.

    Attributes:
        target: the broker's host and port; its scheme is https where the broker is spoken to over TLS.
        topic: a topic, or a filter with ``+`` and ``#``.
        shown: the address for messages, logs and summaries.
    """

    target: Target
    topic: str
    shown: str

    @property
    def tls(self) -> bool:
        """Whether it is spoken to over TLS."""
        return self.target.scheme == "https"

    @property
    def wild(self) -> bool:
        """Whether it stands for many topics."""
        return bool({"+", "#"} & set(self.topic.split("/")))


@dataclass(frozen=True, slots=True)
class WebAddress:
    """What is asked of a web server.

    Attributes:
        url: the address, without what follows a ``#``; its query may hold a token, so it stands in no ``repr``.
        target: the server.
        shown: the address without its query, for messages, logs and summaries.
    """

    url: str = field(repr=False)
    target: Target
    shown: str


def broker_address(written: str) -> BrokerAddress:
    """The address in "mqtt://broker/factory/+/image"; what follows the host is the topic, as it stands.

    Raises UsageError for one that is none, and for one with a user or a password, which it does not repeat.
    """
    scheme, authority, rest = _apart(written, _MQTT_CURE)
    if scheme not in _PORTS:
        raise UsageError(f"no broker speaks '{scheme}'", cure=_MQTT_CURE)
    _without_user(authority, "user and password_file or password_env")
    target = _target("https" if scheme == "mqtts" else "http", authority, _PORTS[scheme], _MQTT_CURE)
    topic = rest[1:] if rest.startswith("/") else ""
    _check_topic(topic)
    return BrokerAddress(target, topic, redacted(written))


def web_address(written: str) -> WebAddress:
    """The address in "https://host/path". Raises UsageError as :func:`broker_address`."""
    scheme, authority, rest = _apart(written, _WEB_CURE)
    if scheme not in ("http", "https"):
        raise UsageError(f"'{scheme}' is not HTTP", cure=_WEB_CURE)
    _without_user(authority, "user and password_file or password_env, or token_file or token_env")
    if not written.isprintable() or " " in written:
        raise UsageError("the address holds what no address may", cure="write it percent-encoded")
    target = _target(scheme, authority, 443 if scheme == "https" else 80, _WEB_CURE)
    url = f"{scheme}://{authority}{rest}".partition("#")[0]
    return WebAddress(url, target, redacted(url))


def check_header(name: str, value: str) -> None:
    """A header to send beside Weft's own. Raises UsageError for what is none, which does not repeat its value."""
    if not _HEADER.fullmatch(name):
        raise UsageError(f"'{name[:80]}' is no name of a header", cure="write letters, digits and -")
    if name.lower() in _OURS:
        raise UsageError(f"'{name}' is not for headers to say", cure="user, token_file and the like say who asks")
    if not (value.isascii() and value.isprintable()):
        raise UsageError(f"the value of '{name}' is no text of one line", cure="write it in ASCII")


def _apart(written: str, cure: str) -> tuple[str, str, str]:
    found = _ADDRESS.fullmatch(written)
    if found is None:
        raise UsageError("that is no address of a server", cure=cure)
    return found[1].lower(), found[2], found[3]


def _without_user(authority: str, options: str) -> None:
    if "@" in authority:
        cure = f"leave it out, and say {options}"
        raise UsageError("an address is no place for a user or a password, as many see it", cure=cure)


def _target(scheme: str, authority: str, port: int, cure: str) -> Target:
    bare = authority.rpartition("]")[2]
    target = parse_target(scheme, authority if ":" in bare else f"{authority}:{port}")
    if target is None:
        raise UsageError("the address names no host", cure=cure)
    return target


def _check_topic(topic: str) -> None:
    """What the protocol says of filters: ``+`` is a whole level, ``#`` the last one."""
    *levels, last = topic.removeprefix(SHARED).split("/")
    if not topic or "\0" in topic or len(topic.encode(errors="replace")) > MAX_TOPIC:
        raise UsageError("the address names no topic", cure=_MQTT_CURE)
    if "#" in last.removesuffix("#") or (len(last) > 1 and last.endswith("#")) or any("#" in level for level in levels):
        raise UsageError("# must be the topic's last level", cure="such as mqtt://broker/factory/#")
    if any("+" in level and level != "+" for level in (*levels, last)):
        raise UsageError("+ must be a level of its own", cure="such as mqtt://broker/factory/+/image")


def reason_of(error: BaseException) -> str:
    """Why there is no connection: what the system said, which libraries wrap in words that say less."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            plain = isinstance(inner, ConnectionError) and inner.errno  # asyncio has words of its own for these
            return os.strerror(plain) if plain else inner.strerror
        inner = inner.__cause__ or inner.__context__
    return str(error) or "nobody answers"
