"""Addresses of brokers and web servers as people write them."""

from __future__ import annotations

import pytest

from weft.core.errors import UsageError
from weft.core.servers import broker_address, web_address


@pytest.mark.parametrize(
    ("written", "host", "port", "tls", "topic", "wild"),
    [
        ("mqtt://broker/a", "broker", 1883, False, "a", False),
        ("MQTTS://broker/a", "broker", 8883, True, "a", False),
        ("mqtt://broker:21883/factory/+/image", "broker", 21883, False, "factory/+/image", True),
        ("mqtts://[::1]/#", "::1", 8883, True, "#", True),
        ("mqtt://[::1]:1884//a/", "::1", 1884, False, "/a/", False),
        ("mqtt://10.0.0.5/a b/ü?c=d#e", "10.0.0.5", 1883, False, "a b/ü?c=d#e", False),
        ("mqtt://broker/$share/group/a/#", "broker", 1883, False, "$share/group/a/#", True),
    ],
)
def test_a_broker_and_its_topic(written: str, host: str, port: int, tls: bool, topic: str, wild: bool) -> None:
    if "#e" in written:  # a number sign is for the end of filters alone, and a topic cannot hold one
        with pytest.raises(UsageError, match="# must be"):
            broker_address(written)
        return
    address = broker_address(written)
    assert (address.target.host, address.target.port, address.tls) == (host, port, tls)
    assert (address.topic, address.wild) == (topic, wild)
    assert address.shown == written


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "no address"),
        ("broker/a", "no address"),
        ("http://broker/a", "no broker speaks 'http'"),
        ("mqtt:///a", "names no host"),
        ("mqtt://bro ker/a", "names no host"),
        ("mqtt://broker:0/a", "names no host"),
        ("mqtt://broker:port/a", "names no host"),
        ("mqtt://*.broker/a", "names no host"),
        ("mqtt://broker", "names no topic"),
        ("mqtt://broker/", "names no topic"),
        ("mqtt://broker/a\0b", "names no topic"),
        ("mqtt://broker/" + "ü" * 40_000, "names no topic"),
        ("mqtt://broker/a/#/b", "# must be the topic's last level"),
        ("mqtt://broker/a#", "# must be"),
        ("mqtt://broker/a+/b", r"\+ must be a level"),
        ("mqtt://me:secret@broker/a", "no place for a user"),
        ("mqtt://me@broker/a", "no place for a user"),
        ("mqtt://me:sec/ret@broker/a", "names no host"),
    ],
)
def test_what_is_no_broker_is_told_without_repeating_it(written: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        broker_address(written)
    assert caught.value.cure
    assert "sec" not in str(caught.value).replace("broker", "")


def test_what_may_be_a_password_is_not_shown() -> None:
    assert "secret" not in broker_address("mqtt://me:1883/secret@broker/a").shown
    address = web_address("https://host:8443/a?token=secret#part")
    assert (address.url, address.shown) == ("https://host:8443/a?token=secret", "https://host:8443/a?…")
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    ("written", "url", "port"),
    [
        ("http://host", "http://host", 80),
        ("HTTPS://Host/A?b", "https://Host/A?b", 443),
        ("http://[::1]:8080/", "http://[::1]:8080/", 8080),
    ],
)
def test_a_web_server(written: str, url: str, port: int) -> None:
    address = web_address(written)
    assert (address.url, address.target.port) == (url, port)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("host/a", "no address"),
        ("ftp://host/a", "'ftp' is not HTTP"),
        ("http://me:secret@host/a", "no place for a user"),
        ("http:///a", "names no host"),
        ("http://host/a b", "percent-encoded"),
        ("http://host/a\r\nX: y", "percent-encoded"),
    ],
)
def test_what_is_no_web_server_is_told(written: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        web_address(written)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)
