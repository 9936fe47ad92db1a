"""How a process joins: endpoints, and what is refused before anything is opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import DeniedError, UsageError
from weft.stream.identity import Identity
from weft.stream.zenoh.link import Link, configuration, endpoint


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("edge", "quic/edge:7447"),
        ("edge:1", "quic/edge:1"),
        ("quic/edge", "quic/edge:7447"),
        ("quic/edge.plant.example:7447", "quic/edge.plant.example:7447"),
        ("tls/10.0.0.1:99", "tls/10.0.0.1:99"),
        ("[::1]", "quic/[::1]:7447"),
        ("quic/[fe80::1]:5", "quic/[fe80::1]:5"),
        ("quic/0.0.0.0:0", "quic/0.0.0.0:0"),
        ("unixsock-stream//run/weft.sock", "unixsock-stream//run/weft.sock"),
    ],
)
def test_endpoints_are_written_short(text: str, whole: str) -> None:
    assert endpoint(text) == whole
    assert endpoint(whole) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quic/",
        "quic/:7447",
        "edge:port",
        "edge:99999",
        "edge:-1",
        "::1",
        "a b",
        "quic/edge:7447#verify_name_on_connect=false",
        "quic/edge#enable_mtls=false",
        "quic/edge?rel=0:7447",
        "unixsock-stream//run/x#a=b",
        "edge:٧",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no endpoint"):
        endpoint(text)


@given(st.text(max_size=30))
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    try:
        whole = endpoint(text)
    except UsageError:
        return
    assert not set(whole) & set("#? \n")


@pytest.mark.parametrize("where", ["quic/edge:7447#enable_mtls=false", "quic/localhost", "edge:7447"])
def test_a_link_takes_whole_endpoints_only(identity: Identity, where: str) -> None:
    for names in ({"connect": (where,)}, {"listen": (where,)}):
        with pytest.raises(UsageError):
            Link(identity=identity, **names)


@pytest.mark.parametrize("where", ["quic/edge:7447", "tls/edge:7447"])
def test_encryption_needs_a_certificate(where: str) -> None:
    with pytest.raises(DeniedError, match="weft cert"):
        Link(connect=(where,))


@pytest.mark.parametrize(
    "where",
    ["tcp/edge:1", "tcp/0.0.0.0:1", "tcp/[::]:1", "tcp/10.0.0.1:1", "tcp/localhost.example:1", "tcp/127.example:1"],
)
def test_plain_tcp_never_leaves_the_machine(identity: Identity, where: str) -> None:
    for names in ({"connect": (where,)}, {"listen": (where,)}):
        with pytest.raises(DeniedError, match="would not be encrypted") as told:
            Link(identity=identity, **names)
        assert "use quic/" in str(told.value)


@pytest.mark.parametrize("where", ["tcp/127.0.0.1:1", "tcp/localhost:1", "tcp/[::1]:1", "unixsock-stream//run/a"])
def test_within_the_machine_no_certificate_is_needed(where: str) -> None:
    assert Link(connect=(where,)).connect == (where,)


def test_an_unknown_transport_is_told() -> None:
    with pytest.raises(UsageError, match="did you mean 'quic'"):
        Link(connect=("quick/edge:1",))


def test_no_key_shows(identity: Identity) -> None:
    link = Link(connect=("quic/edge:7447",), identity=identity)
    secret = identity.key.decode().splitlines()[1]
    assert secret not in repr(link)
    assert secret not in str(configuration(link))


def test_verification_is_always_on(identity: Identity) -> None:
    config = configuration(Link(connect=("quic/edge:7447",), identity=identity))
    tls = config.get_json("transport/link/tls")
    assert '"enable_mtls":true' in tls
    assert '"verify_name_on_connect":true' in tls


def test_nobody_is_looked_for() -> None:
    config = configuration(Link())
    assert config.get_json("scouting/multicast/enabled") == "false"
    assert config.get_json("scouting/gossip/enabled") == "false"
