"""Which hosts a grant covers, and which addresses a request may reach."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import UsageError
from weft.core.hosts import HostGrant, Target, parse_host, parse_target


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org", "example.org", None),
        ("EXAMPLE.org.:8080", "example.org", 8080),
        ("*.example.org:1", "*.example.org", 1),
        ("printer", "printer", None),
        ("my_host.local", "my_host.local", None),
        ("münchen.example", "xn--mnchen-3ya.example", None),
        ("10.0.0.5:80", "10.0.0.5", 80),
        ("10.0.0.0/8:80", "10.0.0.0/8", 80),
        ("10.0.0.5/32", "10.0.0.5", None),
        ("[::1]:8080", "::1", 8080),
        ("::1", "::1", None),
        ("[fd00::/8]:443", "fd00::/8", 443),
        ("0:0:0:0:0:0:0:1", "::1", None),
    ],
)
def test_grants_are_written_as_hosts_with_or_without_a_port(text: str, host: str, port: int | None) -> None:
    assert parse_host(text) == HostGrant(host, port)
    assert parse_host(str(parse_host(text))) == HostGrant(host, port)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no host"),
        ("https://example.org/", "is a URL"),
        ("*", "grants too much"),
        ("*.", "grants too much"),
        ("*.10.0.0.5", "grants too much"),
        ("a*.example.org", "is no host"),
        ("example.org:0", "is no host"),
        ("example.org:65536", "is no host"),
        ("example.org:http", "is no host"),
        ("example.org:", "is no host"),
        ("user@example.org", "is no host"),
        ("a b", "is no host"),
        ("a..b", "is no host"),
        ("-a.example", "is no host"),
        ("127.1", "is no host"),
        ("0x7f.1", "is no host"),
        ("0x7f000001", "is no host"),
        ("2130706433", "is no host"),
        ("10.0.0.5/8", "is no host"),
        ("[::1", "is no host"),
        ("[::1]8080", "is no host"),
        ("[example.org]:80", "is no host"),
        ("fe80::1%eth0", "is no host"),
        ("x" * 64 + ".example", "is no host"),
        ("a." * 130 + "example", "is no host"),
    ],
)
def test_anything_else_is_refused_with_the_form(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        parse_host(text)
    assert "example.org" in refused.value.cure


@given(st.text(max_size=60))
def test_no_text_does_anything_else(text: str) -> None:
    try:
        grant = parse_host(text)
    except UsageError:
        return
    assert parse_host(str(grant)) == grant


def target(url: str) -> Target:
    scheme, _, authority = url.partition("://")
    found = parse_target(scheme, authority)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "granted", "fits"),
    [
        ("https://example.org", "example.org", True),
        ("http://example.org", "example.org", True),
        ("https://Example.ORG.", "example.org", True),
        ("https://example.org:443", "example.org", True),
        ("https://example.org:80", "example.org", False),
        ("http://example.org:443", "example.org", False),
        ("https://example.org:8443", "example.org:8443", True),
        ("https://example.org", "example.org:8443", False),
        ("https://example.org", "example.org:443", True),
        ("https://a.example.org", "example.org", False),
        ("https://a.example.org", "*.example.org", True),
        ("https://a.b.example.org", "*.example.org", True),
        ("https://example.org", "*.example.org", False),
        ("https://badexample.org", "*.example.org", False),
        ("https://example.org.evil.net", "example.org", False),
        ("http://10.1.2.3", "10.0.0.0/8", True),
        ("http://11.1.2.3", "10.0.0.0/8", False),
        ("http://[::1]:8080", "[0::1]:8080", True),
        ("http://10.1.2.3", "*.2.example", False),
    ],
)
def test_what_a_grant_covers(url: str, granted: str, *, fits: bool) -> None:
    assert target(url).granted([parse_host(granted)]) is fits


@pytest.mark.parametrize("authority", ["", "a/b", "*.example.org", "10.0.0.0/8", "user@example.org", "127.1", "a:b"])
def test_what_is_no_target(authority: str) -> None:
    assert parse_target("http", authority) is None
    assert parse_target("ftp", "example.org") is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
    ],
)
def test_a_name_reaches_no_address_that_is_not_public_unless_that_is_granted(address: str) -> None:
    asked = target("http://example.org:8080")
    assert not asked.reaches(ip_address(address), [parse_host("example.org:8080")])
    plain = getattr(ip_address(address), "ipv4_mapped", None) or address
    own = f"[{plain}]" if ":" in str(plain) else plain
    assert asked.reaches(ip_address(address), [parse_host(f"{own}:8080")])
    assert not asked.reaches(ip_address(address), [parse_host(f"{own}:8081")])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
def test_public_addresses_need_no_grant_of_their_own(address: str) -> None:
    assert target("http://example.org").reaches(ip_address(address), [])


def test_localhost_is_this_machine_and_nothing_else() -> None:
    for name in ("localhost", "app.localhost"):
        assert target(f"http://{name}").reaches(ip_address("127.0.0.1"), [])
        assert target(f"http://{name}").reaches(ip_address("::1"), [])
        assert not target(f"http://{name}").reaches(ip_address("10.0.0.1"), [])
