"""How the source of a stream is, as everybody in the site sees it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from tests.stream.conftest import Connect
from weft.stream.base import PublishOptions, StreamInfo
from weft.stream.zenoh.states import with_states

WAIT_S = 10.0


def wait_for(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(int(WAIT_S / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError("it never came true")


def test_others_see_how_a_source_is(place: Connect) -> None:
    there, here = place(), place()
    publisher = there.publish("cam/1", PublishOptions(latest=True))
    there.publish("cam/2")
    for state in ("connecting", "live", "backing off", ""):
        there.tell_state("cam/1", state)
        there.tell_state("nobody's", "live")
        wait_for(lambda state=state: [info.state for info in here.known()] == [state, ""])
    there.tell_state("cam/1", "live")
    publisher.close()
    wait_for(lambda: [info.name for info in here.known()] == ["cam/2"])


def test_a_state_ends_with_the_last_publisher_here(place: Connect) -> None:
    there, here = place(), place()
    first, second = there.publish("cam/1"), there.publish("cam/1")
    place().publish("cam/1")
    there.tell_state("cam/1", "live")
    wait_for(lambda: [(info.publishers, info.state) for info in here.known()] == [(3, "live")])
    first.close()
    wait_for(lambda: [(info.publishers, info.state) for info in here.known()] == [(2, "live")])
    second.close()
    state = "live" if there is here else ""  # the third one is of the same process there
    wait_for(lambda: [(info.publishers, info.state) for info in here.known()] == [(1, state)])


def test_a_state_does_not_come_back_with_another_publisher(place: Connect) -> None:
    there, here = place(), place()
    for _ in range(2):
        publisher = there.publish("cam/1", PublishOptions("reliable"))
        wait_for(lambda: [info.state for info in here.known()] == [""])
        there.tell_state("cam/1", "live")
        wait_for(lambda: [info.state for info in here.known()] == ["live"])
        publisher.close()


def test_what_no_weft_declared_is_no_state() -> None:
    info = StreamInfo("a", "site", "live", False, 1)
    tokens = ["weft/site/a/@state/ab/live", "weft/site/a/@state/cd/backing_off", "weft/site/a/@state/x/live"]
    tokens += ["weft/site/a/@state/ab/LIVE", "weft/site/a/@state/ab", "weft/@all/a/@state/ab/stalled", "weft/site/a"]
    assert [found.state for found in with_states([info], tokens)] == ["backing off, live"]
