"""What is told of streams that nobody publishes."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from threading import Event

import pytest

from weft.cli import absent as module
from weft.cli.absent import FEW, absent, told_if_absent
from weft.stream.local import LocalStreams

ALL = "`weft streams` lists what there is"


@pytest.mark.parametrize(
    ("patterns", "published", "told"),
    [
        (["cam/1"], ["cam/1"], {}),
        (["cam/*"], ["cam/1"], {}),
        (["cam/1"], [], {"cam/1": ALL}),
        (["cam/1"], ["cam/2"], {"cam/1": "did you mean 'cam/2'?"}),
        (["labels", "door/*"], ["door/1", "orders"], {"labels": "published are door/1, orders"}),
        (["labels"], [f"door/{number}" for number in range(FEW + 1)], {"labels": ALL}),
    ],
)
def test_what_was_meant_is_named(patterns: list[str], published: list[str], told: dict[str, str]) -> None:
    assert absent(patterns, published) == told


class Heard(io.StringIO):
    """Standard error that tells when something was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said = Event()

    def flush(self) -> None:
        self.said.set()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr(module, "WAIT_S", 0.0)
    return Heard()


@pytest.fixture
def streams() -> LocalStreams:
    place = LocalStreams()
    place.publish("cam/2")
    place.publish("door")
    return place


def test_it_is_told_in_a_line(heard: Heard, streams: LocalStreams) -> None:
    with redirect_stderr(heard), told_if_absent(streams, ["door", "cam/1"]):
        assert heard.said.wait(30)
    assert heard.getvalue() == "nobody publishes 'cam/1' yet; did you mean 'cam/2'?\n"


def test_machines_get_a_json_line(heard: Heard, streams: LocalStreams) -> None:
    with redirect_stderr(heard), told_if_absent(streams, ["labels"], as_json=True):
        assert heard.said.wait(30)
    told = {"event": "absent", "stream": "labels", "cure": "published are cam/2, door"}
    assert json.loads(heard.getvalue()) == told


def test_who_ends_before_that_is_told_nothing(
    heard: Heard, streams: LocalStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 3600.0)
    with redirect_stderr(heard), told_if_absent(streams, ["labels"]):
        pass
    assert heard.getvalue() == ""
