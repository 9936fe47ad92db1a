"""Places in which streams are shared: the contract is tested in each of them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from weft.stream.base import Streams
from weft.stream.identity import Authority, Identity
from weft.stream.local import LocalStreams
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams

CONNECT_S = 15.0


def free_port() -> int:
    """A UDP port nobody uses; QUIC listens on those."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def identity(authority: Authority) -> Identity:
    return authority.issue("tester", ("localhost", "127.0.0.1"))


Connect = Callable[[], Streams]


@pytest.fixture(params=["local", "zenoh"])
def place(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Opens one more place of the same site: always the same in a process, one more session over a router."""
    with ExitStack() as stack:
        if request.param == "local":
            streams = stack.enter_context(closing(LocalStreams()))
            yield lambda: streams
        else:
            yield site(stack, request.getfixturevalue("identity"))


def site(stack: ExitStack, identity: Identity) -> Callable[[], ZenohStreams]:
    """A router over QUIC on a free port, and a function that connects to it."""
    where = f"quic/localhost:{free_port()}"
    stack.enter_context(closing(ZenohStreams(Link(listen=(where,), identity=identity, router=True))))

    def connect() -> ZenohStreams:
        streams = stack.enter_context(closing(ZenohStreams(Link(connect=(where,), identity=identity))))
        assert streams.wait_connected(CONNECT_S)
        return streams

    return connect
