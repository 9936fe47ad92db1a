"""Sources that ask a server, as commands: what comes out at the other end of a site, and how they say how they are."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.media.broker import Broker, mosquitto
from tests.media.web import Web, status
from tests.streams_cli.conftest import Site, Weft, end, line_with


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if mosquitto() is None:
        missing("mosquitto", "make languages, as root on Debian, or apt-get install mosquitto")
    broker = Broker(tmp_path, "allow_anonymous true")
    yield broker.start()
    broker.stop()


def state_of(site: Site, stream: str, state: str) -> None:
    """Wait until ``weft streams`` shows a stream in a state."""
    shown: dict[str, str] = {}
    while shown.get(stream) != state:
        listed = json.loads(site.run("streams", "--json")[0])
        shown = {entry["name"]: entry.get("state", "") for entry in listed}


def test_messages_of_a_broker_are_a_stream(site: Site, start: Weft, broker: Broker) -> None:
    watching = start("watch", "mqtt/press", "--json")
    source = start("source", "mqtt", f"{broker.url}/factory/+/image", "--stream", "mqtt/press", "--latest")
    broker.hear("Sending SUBACK")
    with broker.publisher() as publisher:
        publisher.publish("factory/7/image", b'{"n": 1}', content_type="application/json", retain=True)
        frame = json.loads(line_with(watching.stdout, "{"))
        assert frame["headers"]["topic"] == "factory/7/image"
        assert (frame["media_type"], frame["payload"]) == ("application/json", {"n": 1})
    state_of(site, "mqtt/press", "live")
    broker.stop()
    state_of(site, "mqtt/press", "backing off")
    assert "it is tried again" in line_with(source.stderr, "tried again")
    broker.start()
    state_of(site, "mqtt/press", "live")
    assert end(source) == 130


def test_new_bodies_of_a_server_are_a_stream(site: Site, start: Weft) -> None:
    number = itertools.count()

    def answer(handler: Any) -> None:
        handler.say(200, str(next(number)).encode(), content_type="text/plain")

    with Web(status(503), answer) as web:
        watching = start("watch", "http/gate", "--json")
        source = start("source", "http", f"{web.url}/now?token=t0ken", "--stream", "http/gate", "--every", "50ms")
        told = line_with(source.stderr, "tried again")
        assert "the server answered 503" in told
        assert "t0ken" not in told
        frame = json.loads(line_with(watching.stdout, "{"))
        assert (frame["media_type"], frame["source"]) == ("text/plain", "http.gate")
        state_of(site, "http/gate", "live")
        assert end(source) == 130


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("mqtt", "mqtt://me:s3cret@broker/a"), 64, "URL: an address is no place for a user"),
        (("http", "http://host/a", "--every", "soon"), 64, "--every: 'soon' is no duration"),
        (("mqtt", "mqtt://127.0.0.1:1/a", "--user", "me", "--password-env", "WEFT_NO_SUCH"), 66, "is not set"),
    ],
)
def test_what_is_wrong_is_one_line_without_a_secret(site: Site, words: tuple[str, ...], code: int, told: str) -> None:
    _, err = site.run("source", *words, "--stream", "s", code=code)
    assert told in err
    assert "s3cret" not in err
    assert "Traceback" not in err
