"""Why a link does not come up, in one clear line.

Zenoh tells this nowhere but in its log, which it writes to standard output, where it would mix with what a command
prints. So a process that asks for it (:func:`listen_in`) keeps its standard output for Python, and gives Zenoh a pipe
in its place: what it says of links that were refused goes to Python's logging, once a minute at most for each reason.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from threading import Thread

import zenoh

from weft.core.once import Once
from weft.stream.seldom import Seldom

FILTER = "error,zenoh::net::runtime::orchestrator=debug,zenoh_link_commons=warn"
"""What Zenoh is to log; RUST_LOG overrides it."""

CANNOT = " cannot be joined: "
"""In a reason, between who could not be joined and why."""

log = logging.getLogger("weft.stream")

_REJECTED = "a peer was rejected"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ZENOH = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z +(TRACE|DEBUG|INFO|WARN|ERROR) ")
_CONNECTING = re.compile(r"Unable to connect to (?:configured peer )?(?P<where>[\w-]+/\S+?)! (?P<what>.*)")
_ACCEPTING = re.compile(r"acceptor failed: (?P<who>ConnectionClosed|TransportError)\b(?P<what>.*)")

# The first that fits is meant; what none fits is told as Zenoh wrote it.
_REASONS = (
    (re.compile(r"certificate expired"), "the certificate expired"),
    (re.compile(r"not valid yet"), "the certificate is not valid yet; are the clocks right?"),
    (re.compile(r"NotValidForName|not valid for name"), "the certificate is for another name"),
    (re.compile(r"BadSignature|UnknownIssuer|UnknownCA|CaUsedAsEndEntity"), "the certificate is of another authority"),
    (re.compile(r"KeyMismatch|private key"), "the certificate and its key do not belong together"),
    (re.compile(r"peer sent no certificates|CertificateRequired"), "no certificate was shown"),
    (re.compile(r"lookup address"), "no machine of this name is known"),
    (re.compile(r"Connection refused|deadline has elapsed|timed out|Timeout"), "nobody answers there"),
    (re.compile(r"connection lost"), "it closed the connection, as one does that rejects our certificate"),
)


_CURES = {
    "certificate expired": "issue a new one with `weft cert`, on the machine of the site's first router",
    "for another name": "connect by a name of the router's machine, or start it with `weft router --name` and this one",
    "of another authority": "use a certificate that `weft cert` issued on the machine of the site's first router: "
    "--cert FILE or WEFT_CERT",
    "no machine of this name": "check the name; DNS or /etc/hosts must know it",
    "nobody answers": "is the router running, at this port, and reachable over UDP?",
}


def explain(line: str) -> str | None:
    """A line of Zenoh's log as a sentence; None when it says nothing of a link that failed."""
    plain = _COLOUR.sub("", line)
    if (found := _CONNECTING.search(plain)) is not None:
        theirs = "aborted by peer" in found["what"]
        return f"{found['where']}{CANNOT}{'it says of us: ' if theirs else ''}{_reason(found['what'])}"
    if (found := _ACCEPTING.search(plain)) is not None:
        who = "a peer rejects us" if found["who"] == "ConnectionClosed" else _REJECTED
        return f"{who}: {_reason(found['what'])}"
    return None


def cure_of(reason: str) -> str:
    """What would help against a reason of :func:`explain`."""
    known = (cure for words, cure in _CURES.items() if words in reason)
    cure = next(known, "is the router running, reachable over UDP, and of the same authority as this certificate?")
    return cure.replace("UDP", "TCP") if reason.startswith(("tcp/", "tls/")) else cure


def last_reason() -> str:
    """Why the last link that failed did; empty when none has, or nobody listened in."""
    return _said.last


def rejected() -> int:
    """How many peers were turned away, as far as somebody listened in."""
    return _said.rejected


@Once
def listen_in() -> None:
    """From now on Zenoh's log is read and told. Call it before anything prints, and before the first session."""
    reading, writing = os.pipe()
    kept = os.dup(1)
    sys.stdout.flush()
    os.dup2(writing, 1)
    os.close(writing)
    sys.stdout = os.fdopen(kept, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, buffering=1)
    Thread(target=_read, args=(reading, kept), name="weft-zenoh-log", daemon=True).start()
    zenoh.init_log_from_env_or(FILTER)


class _Said:
    """What was told lately."""

    def __init__(self) -> None:
        self.last = ""
        self.rejected = 0
        self._seldom = Seldom()

    def tell(self, reason: str) -> None:
        self.last = reason
        self.rejected += reason.startswith(_REJECTED)
        if self._seldom.due(reason):
            log.warning("%s", reason)


_said = _Said()


def _read(reading: int, kept: int) -> None:
    with os.fdopen(reading, "rb") as lines:
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip()
            if (reason := explain(line)) is not None:
                _said.tell(reason)
            elif _ZENOH.match(_COLOUR.sub("", line)):
                log.debug("%s", _COLOUR.sub("", line))
            else:
                os.write(kept, raw)  # other native code prints, too


def _reason(text: str) -> str:
    for pattern, meaning in _REASONS:
        if pattern.search(text):
            return meaning
    return text.split(" at /", 1)[0].strip()
