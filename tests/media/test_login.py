"""Who asks a server: a secret that everybody on the way can read is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.media.sources.http import HttpSource
from weft.media.sources.mqtt import MqttSource


def told(source: HttpSource | MqttSource, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is logged when it begins; it is closed before, so that it asks nobody."""
    caplog.clear()
    source.close()
    assert list(source.frames()) == []
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("host", ["192.0.2.7", "broker.example", "[2001:db8::7]"])
def test_a_secret_in_the_clear_is_told_of(host: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = {"user": "weft", "password_env": "THE_PASSWORD"}
    address = f"mqtt://{host}/a"
    assert told(MqttSource(address, **secret), caplog) == [
        f"{address}: the password goes over the network in the clear (ask over TLS)"
    ]
    address = f"http://{host}/a"
    assert told(HttpSource(address, **secret), caplog) == [
        f"{address}: the password goes over the network in the clear (ask over TLS)"
    ]
    assert told(HttpSource(address, token_file=Path("token")), caplog) == [
        f"{address}: the token goes over the network in the clear (ask over TLS)"
    ]


@pytest.mark.parametrize(
    "address", ["mqtts://192.0.2.7/a", "mqtt://localhost/a", "mqtt://broker.localhost/a", "mqtt://[::1]/a"]
)
def test_what_nobody_else_can_read_is_not(address: str, caplog: pytest.LogCaptureFixture) -> None:
    assert told(MqttSource(address, user="weft", password_env="THE_PASSWORD"), caplog) == []


def test_who_has_no_secret_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert told(MqttSource("mqtt://192.0.2.7/a", user="weft"), caplog) == []
    assert told(HttpSource("http://192.0.2.7/a"), caplog) == []
