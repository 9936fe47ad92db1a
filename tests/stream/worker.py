"""A process that takes part in a test of faults: ``python -m tests.stream.worker ROLE IDENTITY ENDPOINT …``.

It prints one JSON document a line, and ends when its standard input does.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from weft.core.errors import UnavailableError
from weft.core.frame import Frame
from weft.stream.base import AGAIN_HEADER, Consumer, PublishOptions, SpoolOptions, SubscribeOptions
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


def publish(identity: Identity, where: str, stream: str, spool: str, told: str, pause: str) -> None:
    """Publish a durable stream for ever; the numbers of those that are sent are in the file ``told``."""
    streams = ZenohStreams(Link(connect=(where,), identity=identity, shared_memory=False), 20)
    publisher = streams.publish(stream, PublishOptions("durable", spool=SpoolOptions(Path(spool))))
    say(ready=True, sent=publisher.sent)
    with Path(told).open("ab", buffering=0) as file:
        while True:
            number = publisher.sent
            publisher.put(Frame(bytes(20_000), sequence=number, time_ns=number))
            file.write(b"%d\n" % number)
            time.sleep(float(pause))


def take(identity: Identity, where: str, stream: str, folder: str, told: str) -> None:
    """Take a durable stream for ever, under a name; what came is in the file ``told`` before the next is asked for."""
    streams = ZenohStreams(Link(connect=(where,), identity=identity, shared_memory=False), 20)
    options = SubscribeOptions(queue=100, consumer=Consumer("taker", True, Path(folder)))
    subscription = streams.subscribe([stream], options)
    say(ready=True)
    file = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for frame in subscription:
        os.write(file, b"%d %d %d\n" % (frame.sequence, AGAIN_HEADER in frame.headers, subscription.counters["lost"]))


ROLES: dict[str, Callable[..., None]] = {
    "router": router,
    "consume": consume,
    "join": join,
    "publish": publish,
    "take": take,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](Identity.read(Path(sys.argv[2])), *sys.argv[3:])
