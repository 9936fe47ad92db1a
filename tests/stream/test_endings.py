"""What fails half-way leaves nothing behind: neither what it has begun, nor what there was beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zenoh
from zenoh.handlers import Callback

from tests.stream.conftest import free_port, site
from weft.core.errors import PipelineError, UsageError
from weft.core.frame import Frame
from weft.stream.base import Consumer, Group, PublishOptions, SpoolOptions, SubscribeOptions
from weft.stream.identity import Identity
from weft.stream.names import GIVEN
from weft.stream.zenoh import group_subscription as member_module
from weft.stream.zenoh import publisher as publisher_module
from weft.stream.zenoh import session as session_module
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.publisher import ZenohPublisher
from weft.stream.zenoh.renewing import RenewedStreams
from weft.stream.zenoh.session import ZenohStreams, _ZenohAnswering
from weft.stream.zenoh.subscription import ZenohSubscription
from weft.stream.zenoh.tokens import Tokens

WAIT_S = 20.0


def wait_for(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError("it never came true")


@pytest.fixture
def connect(identity: Identity) -> Iterator[Callable[[], ZenohStreams]]:
    with ExitStack() as stack:
        yield site(stack, identity)


def fail(*_: Any) -> None:
    raise PipelineError("no more")


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[zenoh.Session]:
    """All that are opened."""
    opened: list[zenoh.Session] = []
    inner = session_module.open_session

    def open_session(link: Link, patience_s: float) -> zenoh.Session:
        opened.append(inner(link, patience_s))
        return opened[-1]

    monkeypatch.setattr(session_module, "open_session", open_session)
    return opened


def keepers() -> int:
    return sum(thread.name == "weft-streams" for thread in threading.enumerate())


def test_a_publisher_that_cannot_be_made_is_not_there(
    connect: Callable[[], ZenohStreams], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = connect(), connect()
    durable = PublishOptions("durable", spool=SpoolOptions(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(publisher_module, "GroupSender", fail)
        for name, options in (("a", PublishOptions("reliable")), ("orders", durable)):
            with pytest.raises(PipelineError, match="no more"):
                there.publish(name, options)
    there.publish("orders", durable)  # one process at a time uses a spool
    wait_for(lambda: [(info.name, info.publishers) for info in here.known()] == [("orders", 1)])


@pytest.fixture
def alone() -> Iterator[ZenohStreams]:
    """Streams without a link to anybody."""
    with closing(ZenohStreams(Link())) as streams:
        yield streams


def heard(streams: ZenohStreams, key: str) -> bool:
    """Whether anybody subscribes to a key."""
    publisher = streams.session.declare_publisher(key)
    found: Any = publisher.matching_status
    publisher.undeclare()
    return bool(found.matching)


def test_a_subscription_that_cannot_be_made_is_not_there(
    alone: ZenohStreams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SubscribeOptions(latest=True, consumer=Consumer("me", folder=tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(ZenohSubscription, "_query", fail)
        with pytest.raises(PipelineError, match="no more"):
            alone.subscribe(["a"], options)
    assert not heard(alone, "weft/site/a")
    alone.subscribe(["a"], options)  # one at a time is the consumer of this name
    assert heard(alone, "weft/site/a")


def test_a_member_of_a_group_that_cannot_be_made_is_not_there(
    alone: ZenohStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.publish("a")
    inner, keys = member_module.token_of, list[str]()

    def token_of(key: str, *rest: Any) -> str:
        keys.append(key)
        return inner(key, *rest) if len(keys) == 1 else fail()  # type: ignore[func-returns-value] # it raises

    monkeypatch.setattr(member_module, "token_of", token_of)
    monkeypatch.setattr(member_module.secrets, "randbits", lambda _: 7)
    with pytest.raises(PipelineError, match="no more"):
        alone.subscribe(["a"], SubscribeOptions(group=Group("g")))
    assert len(keys) == 2
    assert alone.known()[0].groups == ()
    assert not any(heard(alone, f"{key}/{GIVEN}/{7:016x}/1") for key in keys)


def test_answering_that_cannot_begin_leaves_no_thread(alone: ZenohStreams) -> None:
    with pytest.raises(zenoh.ZError):
        _ZenohAnswering(alone, "no//key", "nobody", lambda frame: frame)
    wait_for(lambda: "weft-answer-nobody" not in [thread.name for thread in threading.enumerate()])


def test_what_is_made_while_the_streams_are_closed_ends_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable = PublishOptions("durable", spool=SpoolOptions(tmp_path))

    class Late(ZenohPublisher):
        def __init__(self, place: ZenohStreams, *rest: Any) -> None:
            super().__init__(place, *rest)
            place.close()

    with closing(ZenohStreams(Link())) as streams, monkeypatch.context() as patched:
        patched.setattr(session_module, "ZenohPublisher", Late)
        with pytest.raises(UsageError, match="closed"):
            streams.publish("orders", durable)
    with closing(ZenohStreams(Link())) as streams:
        streams.publish("orders", durable)  # one process at a time uses a spool


@pytest.mark.parametrize("part", ["Standing", "States"])
def test_streams_that_cannot_be_opened_leave_no_session_and_no_thread(
    sessions: list[zenoh.Session], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, part, fail)
    before = keepers()
    with pytest.raises(PipelineError, match="no more"):
        ZenohStreams(Link())
    assert [session.is_closed() for session in sessions] == [True]
    assert keepers() == before


def test_a_router_whose_start_fails_does_not_go_on_listening(identity: Identity, sessions: list[zenoh.Session]) -> None:
    link = Link(listen=(f"quic/localhost:{free_port()}",), identity=identity, router=True)
    before = keepers()
    with pytest.raises(PipelineError, match="no more"):
        RenewedStreams(link, fail)
    assert [session.is_closed() for session in sessions] == [True]
    assert keepers() == before


@pytest.mark.parametrize("delivery", ["live", "reliable"])
def test_a_publisher_that_cannot_send_its_last_frames_ends_all_the_same(
    connect: Callable[[], ZenohStreams], delivery: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = connect(), connect()
    publisher = there.publish("a", replace(PublishOptions(), delivery=delivery))
    here.subscribe(["a"])
    there.tell_state("a", "live")
    wait_for(lambda: [info.state for info in here.known()] == ["live"])
    publisher.put(Frame(b"1"))
    monkeypatch.setattr(publisher._gatherer, "flush", fail)
    with pytest.raises(PipelineError, match="no more"):
        publisher.close()
    wait_for(lambda: not here.known())
    assert there._made == []
    publisher.close()


def test_streams_with_a_publisher_that_cannot_send_its_last_frames_are_closed_whole(
    connect: Callable[[], ZenohStreams], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = connect()
    failing, other = there.publish("a"), there.publish("b")
    monkeypatch.setattr(failing._gatherer, "flush", fail)
    before = keepers()
    with pytest.raises(PipelineError, match="no more"):
        there.close()
    assert other.closed
    assert there.session.is_closed()
    assert keepers() == before - 1


class Late:
    """A session whose answers to the first question about tokens come when ``meanwhile`` is over."""

    def __init__(self, session: zenoh.Session, meanwhile: Callable[[], None]) -> None:
        self._inner = session.liveliness()
        self._meanwhile: Callable[[], None] | None = meanwhile

    def liveliness(self) -> Late:
        return self

    def declare_subscriber(self, *args: Any, **options: Any) -> Any:
        return self._inner.declare_subscriber(*args, **options)

    def get(self, pattern: str, answer: Callback[zenoh.Reply], timeout: float) -> None:
        replies = list(self._inner.get(pattern, timeout=timeout))
        meanwhile, self._meanwhile = (self._meanwhile, None) if replies else (None, self._meanwhile)
        if meanwhile is not None:
            meanwhile()
        for reply in replies:
            answer.callback(reply)
        answer.drop()


def test_what_ends_while_others_still_answer_for_it_is_not_known_for_ever(identity: Identity) -> None:
    with ExitStack() as stack:
        connect = site(stack, identity)
        there, here = connect(), connect()
        publisher = there.publish("a")
        wait_for(lambda: [info.name for info in here.known()] == ["a"])
        there.publish("b")
        mine = stack.enter_context(closing(connect()))
        tokens = Tokens(mine.session, ["weft/site/**/@alive/**"])
        wait_for(lambda: len(tokens.now()) == 2)

        def end() -> None:
            publisher.close()
            wait_for(lambda: len(tokens._keys) == 1)

        tokens._session = Late(mine.session, end)
        for _ in range(3):
            assert [token.split("/")[2] for token in tokens.now()] == ["b"]


def test_a_token_whose_end_was_never_told_is_forgotten(identity: Identity) -> None:
    with ExitStack() as stack:
        connect = site(stack, identity)
        there, here = connect(), connect()
        publisher = there.publish("a")
        tokens = Tokens(here.session, ["weft/site/**/@alive/**"])
        wait_for(lambda: len(tokens._keys) == 1)
        for declared in tokens._declared:
            declared.undeclare()
        publisher.close()
        wait_for(lambda: not tokens.now())


def test_a_token_that_was_never_told_of_is_known_by_asking(identity: Identity) -> None:
    with ExitStack() as stack:
        connect = site(stack, identity)
        there, here = connect(), connect()
        tokens = Tokens(here.session, ["weft/site/**/@alive/**"])
        for declared in tokens._declared:
            declared.undeclare()
        there.publish("a")
        wait_for(lambda: [token.split("/")[2] for token in tokens.now()] == ["a"])
