"""What a durable stream keeps to, in every place in which streams are shared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stream.conftest import Connect
from tests.stream.test_contract import WAIT_S, frame, read
from weft.core.errors import OutputError, UnavailableError, UsageError
from weft.stream import database
from weft.stream.base import AGAIN_HEADER, Consumer, PublishOptions, SpoolOptions, SubscribeOptions


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.05)


@pytest.fixture
def durable(tmp_path: Path) -> PublishOptions:
    return PublishOptions("durable", spool=SpoolOptions(tmp_path / "spool"))


Named = Callable[..., SubscribeOptions]


@pytest.fixture
def named(tmp_path: Path) -> Named:
    def options(name: str = "reader", queue: int = 64, *, from_start: bool = False) -> SubscribeOptions:
        return SubscribeOptions(queue, consumer=Consumer(name, from_start, tmp_path / "consumers"))

    return options


def test_a_consumer_goes_on_where_it_was(place: Connect, durable: PublishOptions, named: Named) -> None:
    publisher = place().publish("a", durable)
    for number in range(3):
        publisher.put(frame(number))
    here = place()
    subscription = here.subscribe(["a"], named(from_start=True))
    assert [got.sequence for got in read(subscription, 3)] == [0, 1, 2]
    subscription.close()
    for number in range(3, 40):
        publisher.put(frame(number))
    again = here.subscribe(["a"], named())
    got = read(again, 38)
    assert [found.sequence for found in got] == list(range(2, 40))
    twice = [found.sequence for found in got if AGAIN_HEADER in found.headers]
    assert twice == [2]  # nobody had asked for the one after it
    assert (again.counters["again"], again.counters["lost"]) == (1, 0)
    assert again.get(0.05) is None
    again.close()
    assert here.subscribe(["a"], named()).get(0.3) is None


def test_a_new_consumer_begins_with_what_is_new(place: Connect, durable: PublishOptions, named: Named) -> None:
    publisher = place().publish("a", durable)
    for number in range(5):
        publisher.put(frame(number))
    subscription = place().subscribe(["a"], named())
    assert subscription.get(0.5) is None
    publisher.put(frame(5))
    assert [got.sequence for got in read(subscription, 1)] == [5]
    subscription.close()


def test_a_consumer_that_came_and_saw_nothing_has_a_position(place: Connect, durable, named: Named) -> None:
    publisher = place().publish("a", durable)
    publisher.put(frame(0))
    here = place()
    subscription = here.subscribe(["a"], named())
    assert subscription.get(0.5) is None
    subscription.close()
    publisher.put(frame(1))
    assert [got.sequence for got in read(here.subscribe(["a"], named()), 1)] == [1]


def test_a_publisher_that_comes_back_is_the_same_and_has_what_it_sent(place: Connect, durable, named: Named) -> None:
    there, here = place(), place()
    first = there.publish("a", durable)
    for number in range(100):
        first.put(frame(number))
    first.close()
    second = there.publish("a", durable)
    assert second.sent == 100
    second.put(frame(100))
    subscription = here.subscribe(["a"], named(queue=8, from_start=True))
    assert [got.sequence for got in read(subscription, 101)] == list(range(101))
    assert subscription.counters["lost"] == 0


def test_what_the_spool_no_longer_holds_is_counted_as_lost(place: Connect, durable, named: Named) -> None:
    small = replace(durable, spool=replace(durable.spool, max_bytes=3000))
    publisher = place().publish("a", small)
    for number in range(200):
        publisher.put(frame(number))
    subscription = place().subscribe(["a"], named(from_start=True))
    seen = [read(subscription, 1)[0].sequence]
    while seen[-1] != 199:
        seen += [got.sequence for got in read(subscription, 1)]
    assert seen == list(range(seen[0], 200))
    assert subscription.counters["lost"] == seen[0] > 100


def test_a_full_spool_refuses_where_it_is_told_to(place: Connect, durable: PublishOptions) -> None:
    small = replace(durable, spool=replace(durable.spool, max_bytes=1000, when_full="refuse"))
    publisher = place().publish("a", small)
    taken = 0
    with suppress(OutputError):
        while taken < 100:
            publisher.put(frame(taken))
            taken += 1
    assert 1 < taken == publisher.sent < 20
    with pytest.raises(OutputError, match="is full"):
        publisher.put(frame(taken))


def test_two_consumers_have_positions_of_their_own(place: Connect, durable, named: Named) -> None:
    there, here = place(), place()
    publisher = there.publish("a", durable)
    publisher.put(frame(0))
    one, two = (here.subscribe(["a"], named(name, from_start=True)) for name in ("one", "two"))
    assert [got.sequence for got in read(one, 1)] == [0]
    one.close()
    publisher.put(frame(1))
    assert [got.sequence for got in read(two, 2)] == [0, 1]
    with pytest.raises(UnavailableError, match="another process uses"):
        here.subscribe(["a"], named("two"))


def test_a_consumer_that_says_itself_what_is_delivered_gets_the_rest_again(place, durable, named: Named) -> None:
    publisher = place().publish("a", durable)
    for number in range(6):
        publisher.put(frame(number))
    here = place()
    subscription = here.subscribe(["a"], named(from_start=True))
    marks = []
    for number in range(6):
        found = subscription.receive(WAIT_S)
        assert found is not None
        assert found[0].sequence == number
        marks.append(found[1])
    for number in (0, 3, 5):
        subscription.delivered(marks[number])
    subscription.close()
    subscription.delivered(marks[1])
    subscription.close()
    subscription.delivered(marks[2])  # too late
    again = here.subscribe(["a"], named())
    rest = [(got.sequence, got.headers.get(AGAIN_HEADER)) for got in read(again, 4)]
    assert rest == [(number, "true") for number in (2, 3, 4, 5)]


def test_who_has_no_name_takes_a_durable_stream_as_a_reliable_one(place: Connect, durable: PublishOptions) -> None:
    there, here = place(), place()
    latest = replace(durable, latest=True)
    publisher = there.publish("a", latest)
    for number in range(3):
        publisher.put(frame(number))
    subscription = here.subscribe(["a"], SubscribeOptions(queue=4))
    assert [got.sequence for got in read(subscription, 1)] == [2]
    for number in range(3, 60):
        publisher.put(frame(number))
    got = read(subscription, 57)
    assert [found.sequence for found in got] == list(range(3, 60))
    assert not any(found.headers for found in got)


def test_a_durable_stream_is_known_as_one(place: Connect, durable: PublishOptions) -> None:
    there, here = place(), place()
    there.publish("a", durable)
    while not (found := here.known()):
        pass  # it is told to others in its own time
    assert [(info.name, info.delivery) for info in found] == [("a", "durable")]


def test_two_publishers_do_not_share_a_spool(place: Connect, durable: PublishOptions) -> None:
    there = place()
    there.publish("a", durable)
    with pytest.raises(UnavailableError, match="spool"):
        there.publish("a", durable)
    there.publish("b", durable)


def test_a_publisher_that_is_closed_twice_does_not_end_its_successor(place: Connect, durable: PublishOptions) -> None:
    here = place()
    first = here.publish("a", durable)
    first.close()
    second = here.publish("a", durable)
    first.close()
    with pytest.raises(UnavailableError, match="another"):
        here.publish("a", durable)
    second.close()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x" * 101])
def test_what_is_no_consumers_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no consumer's name"):
        Consumer(name)
