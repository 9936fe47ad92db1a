"""What Zenoh logs of links that fail, as one clear line."""

from __future__ import annotations

import pytest

from weft.stream.zenoh.told import _said, cure_of, explain, rejected

AT = "at /root/.cargo/git/x.rs:597."
TIME = "\x1b[2m2026-01-02T03:04:05.678901Z\x1b[0m \x1b[33m WARN\x1b[0m acc-0 ThreadId(05) \x1b[2mzenoh\x1b[0m: "


def test_who_was_turned_away_is_counted() -> None:
    before = rejected()
    for _ in range(3):
        _said.tell("a peer was rejected: the certificate expired")
    _said.tell("quic/edge:7447 cannot be joined: nobody answers there")
    assert rejected() - before == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            f"Unable to connect to quic/edge:7447! Can not create a new QUIC link bound to edge: the cryptographic "
            f"handshake failed: error 51: invalid peer certificate: BadSignature {AT}",
            "quic/edge:7447 cannot be joined: the certificate is of another authority",
        ),
        (
            f"Unable to connect to configured peer quic/edge:7447! Cannot initialize QUIC streams edge: aborted by "
            f"peer: the cryptographic handshake failed: error 45: invalid peer certificate: certificate expired: {AT}",
            "quic/edge:7447 cannot be joined: it says of us: the certificate expired",
        ),
        (
            f"Unable to connect to quic/edge:7447! Read error on QUIC link a => b: connection lost {AT}",
            "quic/edge:7447 cannot be joined: it closed the connection, as one does that rejects our certificate",
        ),
        (
            f"Unable to connect to tcp/127.0.0.1:1! [127.0.0.1:1: Connection refused (os error 111) {AT}",
            "tcp/127.0.0.1:1 cannot be joined: nobody answers there",
        ),
        (
            "Unable to connect to quic/nowhere:1! failed to lookup address information: Name or service not known",
            "quic/nowhere:1 cannot be joined: no machine of this name is known",
        ),
        (f"Unable to connect to quic/e:1! Something new {AT}", "quic/e:1 cannot be joined: Something new"),
        (
            f'QUIC acceptor failed: TransportError(Error {{ code: Code::crypto(33), reason: "invalid peer '
            f'certificate: BadSignature" }}) {AT}',
            "a peer was rejected: the certificate is of another authority",
        ),
        (
            f'QUIC acceptor failed: ConnectionClosed(ConnectionClose {{ reason: b"invalid peer certificate: '
            f'NotValidForName" }}) {AT}',
            "a peer rejects us: the certificate is for another name",
        ),
        ("Unable to connect to any of [Single(quic/edge:7447)]. Timeout!", None),
        ("Zenoh can be reached at: quic/localhost:46975", None),
        ("", None),
    ],
)
def test_a_line_says_who_and_why(line: str, told: str | None) -> None:
    assert explain(TIME + line) == told


@pytest.mark.parametrize(
    ("reason", "cure"),
    [
        ("the certificate is for another name", "weft router --name"),
        ("it says of us: the certificate is of another authority", "--cert FILE or WEFT_CERT"),
        ("no machine of this name is known", "/etc/hosts"),
        (
            "quic/edge:7447 cannot be joined: nobody answers there",
            "is the router running, at this port, and reachable over UDP",
        ),
        ("tcp/edge:7447 cannot be joined: nobody answers there", "reachable over TCP"),
        ("Something new", "is the router running, reachable"),
    ],
)
def test_each_reason_has_its_cure(reason: str, cure: str) -> None:
    assert cure in cure_of(reason)
