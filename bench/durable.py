"""What durable streams cost beside reliable ones: ``python -m bench.durable`` prints the table in docs/streams.md.

A publisher and a consumer, each a process, over a router on QUIC without shared memory; the spool is on this disk.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import tempfile
import time
from contextlib import closing
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from weft.core.frame import Frame
from weft.stream.base import Consumer, PublishOptions, SpoolOptions, SubscribeOptions
from weft.stream.identity import Authority, Identity
from weft.stream.zenoh.link import Link
from weft.stream.zenoh.session import ZenohStreams

CASES = (("reliable", False), ("durable", False), ("durable", True))
SIZES = ((20_000, 3000, 100), (150_000, 1000, 30))
"""Bytes of a frame, how many at full speed, and the rate at which latency is measured."""
PACED = 300
WAIT_S = 60.0


def main() -> None:
    """Measure every case, and print its row."""
    for size, count, rate in SIZES:
        for delivery, sync in CASES:
            fast, _, _ = _measure(delivery, size, count, 0, sync=sync)
            _, puts, latency = _measure(delivery, size, PACED, rate, sync=sync)
            name = delivery + (", `--spool-sync`" if sync else "")
            each = f"| {_quantile(puts, 0.5):.2f} ms | {_quantile(puts, 0.99):.1f} ms "
            each += f"| {_quantile(latency, 0.5):.1f} ms | {_quantile(latency, 0.99):.0f} ms |"
            print(f"| {size // 1000} KB, {rate}/s | {name} | {fast:,.0f}/s {each}", flush=True)


def _measure(delivery: Any, size: int, count: int, rate: int, *, sync: bool) -> tuple[float, list[float], list[float]]:
    """Frames a second, and the milliseconds of each put and of each frame's way."""
    spawn = multiprocessing.get_context("spawn")
    told: Queue[Any] = spawn.Queue()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        here = Path(folder)
        identity = Authority(here / "authority").issue("bench", ("localhost",))
        where = f"quic/localhost:{_free_port()}"
        with closing(ZenohStreams(Link(listen=(where,), identity=identity, router=True, shared_memory=False))):
            named = here / "consumers" if delivery == "durable" else None
            taker = spawn.Process(target=_take, args=(identity, where, named, count, told))
            taker.start()
            told.get()
            spool = SpoolOptions(here / "spool", sync=sync)
            with (
                closing(ZenohStreams(Link(connect=(where,), identity=identity, shared_memory=False))) as there,
                closing(there.publish("a", PublishOptions(delivery, keep=4096, spool=spool))) as publisher,
            ):
                puts = _publish(publisher, size, count, rate)
                seconds, latency = told.get()
            taker.join()
    return count / seconds, puts, latency


def _publish(publisher: Any, size: int, count: int, rate: int) -> list[float]:
    payload, puts = os.urandom(size), []
    began = time.perf_counter()
    for number in range(count):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        before = time.perf_counter()
        publisher.put(Frame(payload, sequence=number))
        puts.append((time.perf_counter() - before) * 1e3)
    return puts


def _take(identity: Identity, where: str, named: Path | None, count: int, told: Queue[Any]) -> None:
    consumer = None if named is None else Consumer("bench", folder=named)
    with closing(ZenohStreams(Link(connect=(where,), identity=identity, shared_memory=False))) as streams:
        subscription = streams.subscribe(["a"], SubscribeOptions(queue=1024, consumer=consumer))
        told.put("ready")
        latency, began = [], 0.0
        for _ in range(count):
            frame = subscription.get(WAIT_S)
            assert frame is not None, subscription.counters
            began = began or time.perf_counter()
            latency.append((time.time_ns() - frame.time_ns) / 1e6)
        assert not subscription.counters["lost"]
        told.put((time.perf_counter() - began, latency))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


if __name__ == "__main__":
    main()
