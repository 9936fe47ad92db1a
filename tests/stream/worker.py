"""A process that takes part in a test of faults: ``python -m tests.stream.worker ROLE IDENTITY ENDPOINT …``.

It prints one JSON document a line, and ends when its standard input does.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.stream.base import SubscribeOptions
from weft.stream.identity import Identity
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams
from weft.stream.zenoh.told import listen_in

END = 2**40
"""The sequence of a stream's last frame."""


def say(**what: object) -> None:
    """One line to whoever started this."""
    print(json.dumps(what), flush=True)


def router(identity: Identity, where: str, *others: str) -> None:
    """Forward until the input ends; what is refused goes to standard error."""
    logging.basicConfig(format="%(message)s")
    listen_in()
    streams = ZenohStreams(Link(listen=(where,), connect=others, identity=identity, router=True))
    say(ready=True)
    sys.stdin.read()
    streams.close()


def consume(identity: Identity, where: str, pattern: str, queue: str) -> None:
    """Read one stream to its end, and tell what came."""
    streams = ZenohStreams(Link(connect=(where,), identity=identity), 20)
    subscription = streams.subscribe([pattern], SubscribeOptions(queue=int(queue)))
    say(ready=True)
    first = subscription.get(60)
    say(first=first and first.sequence)
    seen = [first.sequence] if first else []
    while seen and seen[-1] != END and (frame := subscription.get(60)) is not None:
        seen.append(frame.sequence)
    say(seen=seen, counters=subscription.counters)
    streams.close()


def join(identity: Identity, where: str) -> None:
    """Try to join, and tell why not."""
    logging.basicConfig(format="%(message)s")
    listen_in()
    try:
        streams = ZenohStreams(Link(connect=(where,), identity=identity), 1)
    except UnavailableError as error:
        say(error=str(error))
    else:
        say(links=streams.status().links)
        streams.close()


ROLES: dict[str, Callable[..., None]] = {"router": router, "consume": consume, "join": join}

if __name__ == "__main__":
    ROLES[sys.argv[1]](Identity.read(Path(sys.argv[2])), *sys.argv[3:])
