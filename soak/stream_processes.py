"""The processes of the streams' soak: ``python -m soak.stream_processes ROLE IDENTITY ENDPOINT STREAMS``.

Each tells in JSON lines what it has done so far whenever it is asked, with a line on its standard input, and ends with
that input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from weft.core.frame import Frame
from weft.stream.base import Delivery, PublishOptions, SubscribeOptions
from weft.stream.identity import Identity
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams

RATE = 15
"""Frames of each stream a second."""

PAYLOAD = bytes(20_000)

KEEP = 256
"""Seventeen seconds of a stream: the memory of what was sent is full long before the warm-up is over."""

Tell = Callable[[], dict[str, Any]]


def router(identity: Identity, where: str, _streams: int) -> None:
    """Forwards."""
    ZenohStreams(Link(listen=(where,), identity=identity, router=True, shared_memory=False))
    _answer(dict)


def publish(identity: Identity, where: str, streams: int) -> None:
    """Every other stream is reliable."""
    place = ZenohStreams(Link(connect=(where,), identity=identity, shared_memory=False))
    deliveries: tuple[Delivery, Delivery] = ("live", "reliable")
    publishers = [
        place.publish(f"{deliveries[number % 2]}/{number}", PublishOptions(deliveries[number % 2], keep=KEEP))
        for number in range(streams)
    ]
    stop = Event()

    def run() -> None:
        began, count = time.monotonic(), 0
        while not stop.wait(max(0.0, began + count / RATE / streams - time.monotonic())):
            publisher = publishers[count % streams]
            publisher.put(Frame(PAYLOAD, sequence=publisher.sent))
            count += 1

    sender = Thread(target=run)

    def tell() -> dict[str, Any]:
        return {publisher.stream: publisher.sent for publisher in publishers}

    _say(tell())
    sys.stdin.readline()
    sender.start()
    _answer(tell, ready=False)
    stop.set()
    sender.join()


def consume(identity: Identity, where: str, _streams: int) -> None:
    """Reads them all, and looks at each one's numbers."""
    place = ZenohStreams(Link(connect=(where,), identity=identity, shared_memory=False))
    subscription = place.subscribe(["**"], SubscribeOptions(queue=256))
    ends: dict[str, int] = {}
    missing = {"live": 0, "reliable": 0}

    def run() -> None:
        for frame in subscription:
            delivery = frame.stream.partition("/")[0]
            # Live frames go to whoever is known to be there: one may begin a little later.
            due = ends.get(frame.stream, frame.sequence if delivery == "live" else 0)
            missing[delivery] += frame.sequence - due
            ends[frame.stream] = frame.sequence + 1

    Thread(target=run, daemon=True).start()
    _answer(lambda: {"ends": dict(ends), "missing": missing, **subscription.counters})


ROLES = {"router": router, "publish": publish, "consume": consume}


def _answer(tell: Tell, *, ready: bool = True) -> None:
    if ready:
        _say({})
    for _ in sys.stdin:
        _say(tell())


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    ROLES[sys.argv[1]](Identity.read(Path(sys.argv[2])), sys.argv[3], int(sys.argv[4]))
    os._exit(0)
