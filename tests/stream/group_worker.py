"""A member of a group, in a process: ``python -m tests.stream.group_worker work IDENTITY ENDPOINT BY WORK_S``.

It prints the source and number of every frame when it is done with it, which takes so long, one JSON document a line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import sleep

from tests.stream.worker import say
from weft.stream.base import Group, SubscribeOptions
from weft.stream.identity import Identity
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams


def work(identity: Identity, where: str, by: str, work_s: str) -> None:
    """Take frames until killed."""
    streams = ZenohStreams(Link(connect=(where,), identity=identity), 20)
    subscription = streams.subscribe(["cam/*"], SubscribeOptions(8, group=Group("g", by)))
    say(ready=True)
    for frame in subscription:
        sleep(float(work_s))
        say(source=frame.source, number=frame.sequence, again="again" in frame.headers)


if __name__ == "__main__":
    work(Identity.read(Path(sys.argv[2])), *sys.argv[3:])
