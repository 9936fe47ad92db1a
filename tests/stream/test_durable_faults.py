"""Durable streams lose nothing, whatever dies: counted end to end, and what may come twice is marked."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.stream.conftest import free_port
from tests.stream.processes import Proxy, Worker, write
from tests.stream.test_faults import WAIT_S, Steady, frame, joined, routing, until
from weft.stream import recovery
from weft.stream.base import AGAIN_HEADER, Consumer, PublishOptions, SpoolOptions, SubscribeOptions
from weft.stream.identity import Identity
from weft.stream.zenoh import subscription as subscription_module

Start = Callable[..., Worker]
PAUSE_S = 0.002


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def start(stack: ExitStack, identity: Identity, tmp_path: Path) -> Start:
    pem = write(identity, tmp_path / "tester.pem")

    def begin(role: str, *arguments: object) -> Worker:
        worker = stack.enter_context(closing(Worker(role, pem, *arguments)))
        assert worker.read()["ready"]
        return worker

    return begin


class Site:
    """A router, a durable publisher and a consumer, each a process of its own, and what the last two say they did."""

    def __init__(self, start: Start, folder: Path) -> None:
        self._start = start
        self._folder = folder
        self.where = f"quic/localhost:{free_port()}"
        self.router = start("router", self.where)

    def publish(self) -> Worker:
        """Begin, or go on, to publish."""
        return self._start("publish", self.where, "a", self._folder / "spool", self._folder / "sent", PAUSE_S)

    def take(self) -> Worker:
        """Begin, or go on, to take."""
        return self._start("take", self.where, "a", self._folder / "consumers", self._folder / "taken")

    @property
    def sent(self) -> list[int]:
        """The numbers of the frames that were sent."""
        path = self._folder / "sent"
        return [int(line) for line in path.read_bytes().split()] if path.exists() else []

    @property
    def taken(self) -> list[tuple[int, bool]]:
        """The numbers of the frames that were taken, and whether they are marked; none of them is lost."""
        path = self._folder / "taken"
        lines = [line.split() for line in path.read_bytes().splitlines()] if path.exists() else []
        assert all(lost == b"0" for _, _, lost in lines)
        return [(int(number), again == b"1") for number, again, _ in lines]

    def has_taken(self, number: int) -> bool:
        """True when the consumer has seen this frame."""
        taken = self.taken
        return bool(taken) and taken[-1][0] >= number

    def check(self) -> int:
        """Everything that was sent came, in order; what came twice is marked. How many came twice."""
        until(lambda: self.has_taken(self.sent[-1]))
        seen: list[int] = []
        twice = 0
        for number, again in self.taken:
            if again:
                assert number in seen[-2:] or number == len(seen)
                twice += number in seen[-2:]
            if number not in seen[-2:]:
                seen.append(number)
            else:
                assert again, f"{number} came twice, without a mark"
        assert seen == list(range(len(seen)))
        return twice


@pytest.fixture
def site(start: Start, tmp_path: Path) -> Site:
    return Site(start, tmp_path)


def kill(worker: Worker) -> None:
    worker.signal(signal.SIGKILL)
    worker.close()


def test_a_publisher_killed_and_started_again_loses_nothing(site: Site) -> None:
    site.take()
    for _ in range(3):
        before = len(site.sent)
        publisher = site.publish()
        until(lambda before=before: len(site.sent) >= before + 50)
        kill(publisher)
    site.publish()
    until(lambda: site.has_taken(site.sent[-1]))
    site.check()


def test_a_consumer_killed_and_started_again_misses_nothing(site: Site) -> None:
    site.publish()
    for _ in range(4):
        before = len(site.taken)
        consumer = site.take()
        until(lambda before=before: len(site.taken) >= before + 30)
        kill(consumer)
    site.take()
    assert site.check() <= 4


def test_a_router_killed_and_started_again_under_load_loses_nothing(site: Site, start: Start) -> None:
    site.publish()
    site.take()
    until(lambda: site.has_taken(50))
    kill(site.router)
    before = len(site.sent)
    until(lambda: len(site.sent) >= before + 200)
    start("router", site.where)
    site.check()


def test_a_link_cut_for_ten_seconds_loses_nothing(stack: ExitStack, identity: Identity, tmp_path: Path) -> None:
    port = free_port()
    there = routing(stack, identity, f"quic/localhost:{port}")
    proxy = stack.enter_context(closing(Proxy(port)))
    here = joined(stack, identity, f"quic/localhost:{proxy.port}")
    options = SubscribeOptions(queue=64, consumer=Consumer("taker", True, tmp_path / "consumers"))
    subscription = here.subscribe(["a"], options)
    publisher = there.publish("a", PublishOptions("durable", spool=SpoolOptions(tmp_path / "spool")))
    with closing(Steady(publisher)):  # a hundred a second
        assert subscription.get(WAIT_S).sequence == 0
        proxy.cut = True
        until(lambda: publisher.sent >= 1000)
        assert here.connected == 0
        proxy.cut = False
        until(lambda: here.connected > 0)
    got = [subscription.get(WAIT_S) for _ in range(1, publisher.sent)]
    assert [frame.sequence for frame in got] == list(range(1, publisher.sent))
    assert not any(AGAIN_HEADER in frame.headers for frame in got)
    assert subscription.counters["lost"] == 0


def test_a_publisher_that_is_away_for_long_is_waited_for(
    stack: ExitStack, identity: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a reliable one would be given up, and what it owes counted as lost."""
    monkeypatch.setattr(subscription_module, "GONE_S", 0.1)
    monkeypatch.setattr(recovery, "SMALL_WINDOW", 256)
    where = f"quic/localhost:{free_port()}"
    routing(stack, identity, where)
    here = joined(stack, identity, where)
    subscription = here.subscribe(["a"], SubscribeOptions(2, consumer=Consumer("taker", True, tmp_path / "consumers")))
    durable = PublishOptions("durable", spool=SpoolOptions(tmp_path / "spool"))
    with ExitStack() as first:
        there = joined(first, identity, where)
        publisher = there.publish("a", durable)
        for number in range(sent := 512):
            publisher.put(frame(number, b""))
        assert subscription.get(WAIT_S).sequence == 0
        publisher.end()
    seen = [0]
    while (found := subscription.get(0.5)) is not None:
        seen.append(found.sequence)
    assert len(seen) < sent
    until(lambda: not subscription._receiver._behind)  # nothing is asked for any more
    assert subscription.counters["lost"] == 0
    joined(stack, identity, where).publish("a", durable)
    seen += [subscription.get(WAIT_S).sequence for _ in range(len(seen), sent)]
    assert seen == list(range(sent))
