"""Faults over real links between real processes."""

from __future__ import annotations

import secrets
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import zenoh

from tests.stream.conftest import CONNECT_S, free_port
from tests.stream.processes import Proxy, Worker, write
from tests.stream.worker import END
from weft.core.errors import InputError, NotFoundError, PipelineError, UnavailableError
from weft.core.frame import Frame
from weft.stream.base import PublishOptions, SubscribeOptions
from weft.stream.identity import Authority, Identity
from weft.stream.wire import HeaderWriter, Kind
from weft.stream.zenoh import link as link_module
from weft.stream.zenoh import subscription as subscription_module
from weft.stream.zenoh.link import Link, configuration
from weft.stream.zenoh.session import ZenohStreams

WAIT_S = 40.0
RELIABLE = PublishOptions("reliable", latest=True, keep=5000)
PAYLOAD = bytes(20_000)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def pem(identity: Identity, tmp_path: Path) -> Path:
    return write(identity, tmp_path / "tester.pem")


Start = Callable[..., Worker]


@pytest.fixture
def start(stack: ExitStack, pem: Path) -> Start:
    def begin(role: str, *arguments: object, identity: Path = pem) -> Worker:
        worker = stack.enter_context(closing(Worker(role, identity, *arguments)))
        if role != "join":
            assert worker.read()["ready"]
        return worker

    return begin


def joined(stack: ExitStack, identity: Identity, where: str, site: str = "site") -> ZenohStreams:
    """Connected, without shared memory: everything goes over the link that is hurt."""
    link = Link(connect=(where,), identity=identity, site=site, shared_memory=False)
    return stack.enter_context(closing(ZenohStreams(link, CONNECT_S)))


def routing(stack: ExitStack, identity: Identity, where: str, *others: str, site: str = "site") -> ZenohStreams:
    link = Link(listen=(where,), connect=others, identity=identity, router=True, site=site, shared_memory=False)
    return stack.enter_context(closing(ZenohStreams(link)))


def frame(number: int, payload: bytes = PAYLOAD) -> Frame:
    return Frame(payload, sequence=number, time_ns=number)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("delivery", ["reliable", "live"])
def test_a_stopped_consumer_costs_the_others_nothing_and_goes_on_later(stack, start, identity, delivery) -> None:
    where = f"quic/localhost:{free_port()}"
    start("router", where)
    streams = joined(stack, identity, where)
    publisher = streams.publish("a", PublishOptions(delivery, latest=True, keep=5000))
    publisher.put(frame(0))
    consumers = [start("consume", where, "a", 64) for _ in range(4)]
    assert [consumer.read() for consumer in consumers] == [{"first": 0}] * 4
    stopped, *others = consumers
    stopped.signal(signal.SIGSTOP)
    longest = 0.0
    for number in range(1, 1500):
        began = time.monotonic()
        publisher.put(frame(number))
        longest = max(longest, time.monotonic() - began)
        if delivery == "live":
            time.sleep(0.001)
    until(lambda: finished(publisher, others))
    reports = [other.read() for other in others]
    stopped.signal(signal.SIGCONT)
    until(lambda: finished(publisher, [stopped]))
    late = stopped.read()
    assert longest < 1.0
    if delivery == "reliable":
        for report in (*reports, late):
            assert report["seen"][:1500] == list(range(1500))
            assert report["counters"]["lost"] == 0
    for report in (*reports, late):
        assert report["seen"] == sorted(report["seen"])


def finished(publisher, workers: list[Worker]) -> bool:
    """Send the end until all have told that they saw it, which is when their output is there to be read."""
    publisher.put(frame(END, b""))
    return len(select.select([worker.process.stdout for worker in workers], [], [], 0.05)[0]) == len(workers)


class Steady:
    """Publishes a hundred frames a second in the background."""

    def __init__(self, publisher) -> None:
        self._publisher = publisher
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self._publisher.put(frame(self._publisher.sent))


def test_a_router_killed_and_started_again_loses_nothing_of_a_reliable_stream(stack, start, identity) -> None:
    where = f"quic/localhost:{free_port()}"
    router = start("router", where)
    there, here = joined(stack, identity, where), joined(stack, identity, where)
    subscription = here.subscribe(["a"], SubscribeOptions(queue=5000))
    publisher = there.publish("a", RELIABLE)
    publisher.put(frame(0))
    assert subscription.get(WAIT_S).sequence == 0
    with closing(Steady(publisher)):
        assert subscription.get(WAIT_S).sequence == 1
        router.signal(signal.SIGKILL)
        router.end()
        until(lambda: here.connected == there.connected == 0)
        assert here.status().reason
        start("router", where)
        until(lambda: here.connected > 0 and there.connected > 0)
        assert here.status().links == ("tester",)
    seen = [subscription.get(WAIT_S).sequence for _ in range(2, publisher.sent)]
    assert seen == list(range(2, publisher.sent))
    assert subscription.counters["lost"] == 0
    assert subscription.counters["recovered"] > 0


def test_a_cut_link_loses_nothing_of_a_reliable_stream(stack, identity) -> None:
    port = free_port()
    there = routing(stack, identity, f"quic/localhost:{port}")
    proxy = stack.enter_context(closing(Proxy(port)))
    here = joined(stack, identity, f"quic/localhost:{proxy.port}")
    subscription = here.subscribe(["a"], SubscribeOptions(queue=5000))
    publisher = there.publish("a", RELIABLE)
    publisher.put(frame(0))
    assert subscription.get(WAIT_S).sequence == 0
    with closing(Steady(publisher)):
        proxy.cut = True
        until(lambda: here.connected == 0)
        proxy.cut = False
        until(lambda: here.connected > 0)
    seen = [subscription.get(WAIT_S).sequence for _ in range(1, publisher.sent)]
    assert seen == list(range(1, publisher.sent))
    assert subscription.counters["lost"] == 0


def test_a_link_that_loses_and_delays_loses_nothing_of_a_reliable_stream(stack, identity) -> None:
    port = free_port()
    there = routing(stack, identity, f"quic/localhost:{port}")
    proxy = stack.enter_context(closing(Proxy(port)))
    proxy.loss, proxy.delay_s = 0.02, 0.04
    here = joined(stack, identity, f"quic/localhost:{proxy.port}")
    subscription = here.subscribe(["a"])
    publisher = there.publish("a", RELIABLE)
    publisher.put(frame(0))
    assert subscription.get(WAIT_S).sequence == 0
    for number in range(1, 110):
        publisher.put(frame(number))
    assert [subscription.get(WAIT_S).sequence for _ in range(1, 110)] == list(range(1, 110))
    assert subscription.counters["lost"] == 0
    assert subscription.counters["recovered"] > 0  # the link takes 150 kB/s, and was sent far more


def test_a_publisher_that_died_holds_nothing_back(stack, identity, monkeypatch) -> None:
    monkeypatch.setattr(subscription_module, "GONE_S", 0.2)
    where = f"quic/localhost:{free_port()}"
    routing(stack, identity, where)
    there, here = joined(stack, identity, where), joined(stack, identity, where)
    subscription = here.subscribe(["a"])
    publisher = there.publish("a", RELIABLE)
    publisher.put(frame(0))
    assert subscription.get(WAIT_S).sequence == 0
    publisher._gatherer.sent += 3  # as if three had been dropped on the way, and are not kept either
    publisher._memory.forgotten = 0
    publisher.put(frame(4))
    until(lambda: bool(subscription._receiver._behind))
    there.session.close()
    assert subscription.get(WAIT_S).sequence == 4
    assert subscription.counters["lost"] == 3


def test_a_peer_of_another_authority_is_told_on_both_sides(start, identity, tmp_path) -> None:
    where = f"quic/localhost:{free_port()}"
    router = start("router", where)
    other = Authority(tmp_path / "other").issue("stranger", ("localhost",))
    liar = Identity(other.name, other.certificate, other.key, identity.authority)
    both = [start("join", where, identity=write(other, tmp_path / "other.pem")).read()["error"]]
    assert "quic/localhost" in both[0]
    assert "the certificate is of another authority" in both[0]
    with pytest.raises(InputError):
        Identity.read(write(liar, tmp_path / "liar.pem"))
    assert start("join", where).read() == {"links": ["tester"]}
    told = router.end()
    assert "a peer rejects us: the certificate is of another authority" in told
    assert told.count("another authority") == 1  # not with every try
    assert "/cargo/" not in told


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda tls: None, "the certificate expired"),
        (lambda tls: [tls.pop(key) for key in list(tls) if key.startswith("connect_")], "no certificate was shown"),
    ],
    ids=["expired", "none"],
)
def test_the_router_says_why_it_turns_a_peer_away(start, authority, monkeypatch, break_it, reason) -> None:
    """Both are told before they are tried where a certificate is read; somebody else may try all the same."""
    where = f"quic/localhost:{free_port()}"
    router = start("router", where)
    settings = link_module._tls(authority.issue("old", ("localhost",), days=-1))
    break_it(settings)
    settings["enable_mtls"] = "connect_private_key_base64" in settings
    monkeypatch.setattr(link_module, "_tls", lambda identity: settings)
    with pytest.raises(UnavailableError, match="cannot join"):
        ZenohStreams(Link(connect=(where,), identity=authority.issue("new")), 0)
    router.hear(f"a peer was rejected: {reason}")


def test_a_peer_whose_certificate_ended_is_rejected_by_the_router(stack, identity, authority, capfd) -> None:
    """It is refused already where it is read (tests of identity); this one goes on all the same."""
    where = f"quic/localhost:{free_port()}"
    routing(stack, identity, where)
    old = authority.issue("tester", ("localhost",), days=-1)
    with pytest.raises(UnavailableError, match="cannot join") as told:
        ZenohStreams(Link(connect=(where,), identity=old), 0)
    assert "authority" in told.value.cure
    assert "PRIVATE" not in str(told.value) + "".join(capfd.readouterr())


def test_garbage_on_our_keys_is_counted_and_hurts_nobody(stack, identity, caplog) -> None:
    where = f"quic/localhost:{free_port()}"
    routing(stack, identity, where)
    there, here = joined(stack, identity, where), joined(stack, identity, where)
    subscription = here.subscribe(["**"])
    publisher = there.publish("a", RELIABLE)
    there.answer("a", lambda asked: asked)
    publisher.put(frame(0, b"0"))
    assert subscription.get(WAIT_S).sequence == 0
    bare = zenoh.open(configuration(Link(connect=(where,), identity=identity)))
    key = "weft/site/a"
    for number in range(50):
        bare.put(key, b"garbage", attachment=secrets.token_bytes(number))
    bare.put(key, b"")
    bare.put(key, b"no batch", attachment=HeaderWriter(1, 0).note(Kind.BATCH, 0))
    bare.delete(key)
    token = bare.liveliness().declare_token(f"{key}/@alive/no-number/and-no-flags")
    other = bare.liveliness().declare_token(f"{key}/@alive/{'0' * 16}/word")
    for wanted in ("first=x;last=y", "first=-1", f"last={'9' * 40}", "latest=;first", ""):
        list(bare.get(f"{key}/@cache/*?{wanted}", timeout=5))
    assert [reply.ok for reply in bare.get(f"{key}/@ask", payload=b"x", attachment=b"x", timeout=5)] == [None]
    for number in range(1, 100):
        publisher.put(frame(number, b"ours"))
    assert [subscription.get(WAIT_S).sequence for _ in range(1, 100)] == list(range(1, 100))
    until(lambda: subscription.counters["malformed"] == 55)
    assert [info.name for info in here.known()] == ["a"]
    assert here.ask("a", Frame(b"ok"), WAIT_S).payload == b"ok"
    assert sum("was refused" in record.message for record in caplog.records) == 1
    for declared in (token, other):
        declared.undeclare()
    bare.close()


def test_what_is_too_large_is_refused_on_receipt(stack, identity, monkeypatch) -> None:
    monkeypatch.setattr(subscription_module, "MAX_PAYLOAD", 100)
    where = f"quic/localhost:{free_port()}"
    routing(stack, identity, where)
    there, here = joined(stack, identity, where), joined(stack, identity, where)
    subscription = here.subscribe(["a"])
    publisher = there.publish("a", PublishOptions(latest=True))
    publisher.put(frame(0, b"fits"))
    assert subscription.get(WAIT_S).sequence == 0
    publisher.put(frame(1, bytes(101)))
    publisher.put(frame(2, bytes(100)))
    assert subscription.get(WAIT_S).sequence == 2
    assert subscription.counters["refused"] == 1


def test_an_answer_that_does_not_fit_is_told(stack, identity) -> None:
    where = f"quic/localhost:{free_port()}"
    routing(stack, identity, where)
    there, here = joined(stack, identity, where), joined(stack, identity, where)
    there.answer("a", lambda asked: Frame(b"", headers={"k": "v" * 70_000}))
    with pytest.raises(PipelineError, match="bytes of headers"):
        here.ask("a", Frame(b""), WAIT_S)
    with pytest.raises(NotFoundError, match="nobody answers"):
        here.ask("b", Frame(b""), WAIT_S)


def test_site_streams_stay_and_global_ones_cross(stack, identity) -> None:
    ports = free_port(), free_port()
    proxy = stack.enter_context(closing(Proxy(ports[0])))
    first, second = (f"quic/localhost:{port}" for port in ports)
    routing(stack, identity, first, site="north")
    router = routing(stack, identity, second, f"quic/localhost:{proxy.port}", site="south")
    assert router.wait_connected(CONNECT_S)
    north, south = joined(stack, identity, first, "north"), joined(stack, identity, second, "south")
    near, far = north.subscribe(["**"]), south.subscribe(["**"])
    own = north.publish("a", PublishOptions("reliable", latest=True))
    shared = north.publish("b", PublishOptions("reliable", latest=True, scope="global"))
    shared.put(frame(0, b""))
    assert far.get(WAIT_S).stream == "b"
    assert near.get(WAIT_S).stream == "b"
    before = proxy.carried
    for number in range(200):
        own.put(frame(number))
        assert near.get(WAIT_S).stream == "a"
    assert proxy.carried - before < 100 * len(PAYLOAD)
    for number in range(1, 201):
        shared.put(frame(number))
        assert far.get(WAIT_S).stream == "b"
    assert proxy.carried - before > 200 * len(PAYLOAD)
    assert far.counters["received"] == 201
    assert [(info.name, info.scope) for info in south.known()] == [("b", "global")]
    assert [(info.name, info.scope) for info in north.known()] == [("a", "north"), ("b", "global")]
