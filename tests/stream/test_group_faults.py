"""Groups whose members are processes that die, stop and come back, over a router with QUIC."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.stream.conftest import CONNECT_S, free_port
from tests.stream.processes import Worker, write
from weft.core.frame import Frame
from weft.stream import share
from weft.stream.base import PublishOptions
from weft.stream.identity import Identity
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams

WAIT_S = 40.0
MOVE_S = 10.0
"""What is promised is a second, and measured 0.8; a machine under load may wake a thread late."""

PAYLOAD = bytes(20_000)


class Member:
    """A process of :mod:`tests.stream.group_worker`, and what it has done."""

    def __init__(self, pem: Path, where: str, by: str, work_s: float) -> None:
        self.done: list[tuple[str, int, bool]] = []
        command = [sys.executable, "-m", "tests.stream.group_worker", "work", str(pem), where, by, str(work_s)]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = json.loads(line) if line.endswith("\n") else {}
            if "number" in found:
                self.done.append((found["source"], found["number"], found["again"]))

    @property
    def numbers(self) -> list[int]:
        return [number for _, number, _ in self.done]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


Join = Callable[..., Member]


@pytest.fixture
def where(identity: Identity, tmp_path: Path) -> Iterator[str]:
    pem = write(identity, tmp_path / "tester.pem")
    at = f"quic/localhost:{free_port()}"
    with closing(Worker("router", pem, at)) as router:
        assert router.read() == {"ready": True}
        yield at


@pytest.fixture
def join(where: str, tmp_path: Path) -> Iterator[Join]:
    with ExitStack() as stack:

        def begin(by: str = "", work_s: float = 0.01) -> Member:
            return stack.enter_context(closing(Member(tmp_path / "tester.pem", where, by, work_s)))

        yield begin


@pytest.fixture
def streams(join: Join, identity: Identity, where: str) -> Iterator[ZenohStreams]:
    with closing(ZenohStreams(Link(connect=(where,), identity=identity), CONNECT_S)) as found:
        yield found  # closed before the members, which finish what they were given


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def known(publisher, members: int) -> None:
    """Every member is known to the publisher when this returns."""
    until(lambda: publisher.groups.members == members)


def send(publisher, first: int, count: int, sources: int = 1) -> None:
    """Always false, to be said while something is waited for."""
    for number in range(first, first + count):
        publisher.put(Frame(PAYLOAD, source=f"s{number % sources}", sequence=number))


def test_a_member_that_is_killed_loses_no_frame_of_a_reliable_stream(streams, join) -> None:
    members = [join() for _ in range(3)]
    publisher = streams.publish("cam/1", PublishOptions("reliable"))
    known(publisher, 3)
    send(publisher, 0, 150)
    until(lambda: all(len(member.done) >= 5 for member in members))
    killed, *others = members
    killed.process.send_signal(signal.SIGKILL)
    began = time.monotonic()
    send(publisher, 150, 150)
    until(lambda: publisher.groups.counters["moved"] > 0)
    assert time.monotonic() - began < MOVE_S
    until(lambda: {number for member in members for number in member.numbers} == set(range(300)))
    assert publisher.groups.counters["lost"] == 0
    assert any(again for other in others for _, _, again in other.done)
    assert all(other.numbers[-1] >= 150 for other in others)


def test_by_source_only_the_sources_of_a_killed_member_move(streams, join, monkeypatch) -> None:
    monkeypatch.setattr(share, "SILENT_S", 5.0)  # only who is dead is silent, however slow this machine is
    members = [join("source", 0.002) for _ in range(3)]
    publisher = streams.publish("cam/1", PublishOptions("reliable"))
    known(publisher, 3)
    send(publisher, 0, 240, sources=24)
    until(lambda: sum(len(member.done) for member in members) == 240)
    before = [{source for source, _, _ in member.done} for member in members]
    assert sum(map(len, before)) == 24
    killed, *others = members
    killed.process.send_signal(signal.SIGKILL)
    send(publisher, 240, 240, sources=24)
    until(lambda: {number for member in members for number in member.numbers} == set(range(480)))
    for other, had in zip(others, before[1:], strict=True):
        for source in had:
            numbers = [number for name, number, _ in other.done if name == source]
            assert numbers == sorted(numbers)
            assert len(numbers) == 20
    late = join("source", 0.002)
    until(lambda: send(publisher, publisher.sent, 1, sources=24) or bool(late.done))


@pytest.mark.parametrize("delivery", ["reliable", "live"])
def test_a_member_that_is_stopped_is_done_without_and_comes_back(streams, join, delivery) -> None:
    stopped, other = join(), join()
    publisher = streams.publish("cam/1", PublishOptions(delivery))
    known(publisher, 2)
    send(publisher, 0, 8)
    until(lambda: bool(stopped.done and other.done))
    stopped.process.send_signal(signal.SIGSTOP)
    longest = 0.0
    began = time.monotonic()
    number = 8
    while publisher.groups.counters["moved"] + publisher.groups.counters["dropped"] == 0 or number < 100:
        before = time.monotonic()
        assert before < began + WAIT_S
        send(publisher, number, 1)
        longest = max(longest, time.monotonic() - before)
        number += 1
        time.sleep(0.01)
    assert longest < 1.0
    first = other.numbers[-1]
    until(lambda: send(publisher, publisher.sent, 1) or other.numbers[-1] > first + 5)
    stopped.process.send_signal(signal.SIGCONT)
    seen = len(stopped.done)
    until(lambda: send(publisher, publisher.sent, 1) or len(stopped.done) > seen + 10)
    if delivery == "reliable":
        last = publisher.sent
        until(lambda: {n for member in (stopped, other) for n in member.numbers} >= set(range(last)))
        assert publisher.groups.counters["lost"] == 0
