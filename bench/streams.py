"""Streams between two processes over loopback, beside bare Zenoh sessions with the same configuration."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import zenoh

from bench.harness import Result
from weft.core.frame import Frame
from weft.stream.base import PublishOptions, SubscribeOptions, Subscription
from weft.stream.identity import Authority, Identity
from weft.stream.zenoh.link import Link, configuration
from weft.stream.zenoh.session import ZenohStreams

ROUNDS = 3
BIG, SMALL = 150_000, 64
BIG_COUNT, SMALL_COUNT = 1500, 60_000  # what a publisher keeps by default: nothing is lost, however slow the reader
CAMERAS, RATE, CAMERA_BYTES, CAMERA_FRAMES = 4, 30, 50_000, 90
CONSUMERS, FAN_BYTES, FAN_FRAMES = 16, 50_000, 300
FIRST_S, GIVE_UP_S = 60.0, 15.0
KEY = "weft/site/a"


class Process:
    """A process of this module, spoken to in JSON lines."""

    def __init__(self, role: str, pem: Path, **settings: Any) -> None:
        command = [sys.executable, "-m", "bench.streams", role, str(pem), json.dumps(settings)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self) -> Any:
        """What it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process ended"
        return json.loads(line)

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        """As kill(1)."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def run() -> Iterator[Result]:
    """Throughput, latency, shared memory and fan-out."""
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "bench.pem"
        Authority(Path(folder) / "authority").issue("bench", ("localhost",)).write(pem)
        for delivery in ("live", "reliable"):
            yield _throughput(pem, delivery, "150 KB frames", BIG, BIG_COUNT)
        yield _throughput(pem, "reliable", "64-byte messages", SMALL, SMALL_COUNT)
        yield _shared_memory(pem)
        yield _latency(pem)
        yield _fan_out(pem)


def _throughput(pem: Path, delivery: str, what: str, size: int, count: int) -> Result:
    rates: dict[str, list[float]] = {"weft": [], "bare": []}
    for number in range(ROUNDS):
        for kind in sorted(rates, reverse=number % 2 == 0):
            rates[kind].append(_rate(pem, kind, size, count, delivery=delivery))
    ratio = statistics.median(weft / bare for weft, bare in zip(rates["weft"], rates["bare"], strict=True))
    detail = {f"{kind} per s": round(statistics.median(values)) for kind, values in rates.items()}
    detail["weft MB per s"] = round(statistics.median(rates["weft"]) * size / 1e6)
    return Result(
        f"streams: {what}, {delivery}, over QUIC with TLS, over bare Zenoh", ratio, "ratio", 0.9, "higher", detail
    )


def _shared_memory(pem: Path) -> Result:
    rates: dict[str, list[float]] = {"shared": [], "quic": []}
    for _ in range(ROUNDS):
        rates["shared"].append(_rate(pem, "weft", BIG, BIG_COUNT, shared=True))
        rates["quic"].append(_rate(pem, "weft", BIG, BIG_COUNT))
    ratio = statistics.median(rates["shared"]) / statistics.median(rates["quic"])
    detail = {f"{kind} MB per s": round(statistics.median(values) * BIG / 1e6) for kind, values in rates.items()}
    return Result("streams: 150 KB frames through shared memory, over QUIC", ratio, "ratio", 5, "higher", detail)


def _rate(pem: Path, kind: str, size: int, count: int, *, delivery: str = "reliable", shared: bool = False) -> float:
    """Frames per second at the receiver, all of which came."""
    settings = {"where": _endpoint(), "size": size, "count": count, "shared": shared, "delivery": delivery}
    with closing(Process(f"receive_{kind}", pem, **settings)) as receiver:
        assert receiver.read() == "ready"
        with closing(Process(f"send_{kind}", pem, **settings)) as sender:
            assert sender.read() == "ready"
            sender.go()
            report = receiver.read()
    assert report["count"] == count, report
    return float(count / report["seconds"])


def _latency(pem: Path) -> Result:
    """Four cameras, from put to get."""
    times: dict[str, list[float]] = {}
    for kind in ("weft", "bare"):
        settings = {"where": _endpoint(), "size": CAMERA_BYTES, "count": CAMERA_FRAMES * CAMERAS, "shared": False}
        with closing(Process(f"receive_{kind}", pem, **settings, times=True)) as receiver:
            assert receiver.read() == "ready"
            with closing(Process(f"send_{kind}", pem, **settings, rate=RATE * CAMERAS)) as sender:
                assert sender.read() == "ready"
                sender.go()
                times[kind] = sorted(receiver.read()["times"])
    detail = {f"{kind} p50 ms": round(statistics.median(found) * 1e3, 2) for kind, found in times.items()}
    p99 = {kind: found[int(len(found) * 0.99)] * 1e3 for kind, found in times.items()}
    detail |= {f"{kind} p99 ms": round(value, 2) for kind, value in p99.items()}
    return Result("streams: 99th percentile of four cameras' latency", p99["weft"], "ms", 20, "lower", detail)


def _fan_out(pem: Path) -> Result:
    """How long frames take to reach fifteen consumers, with the sixteenth reading and with it stopped."""
    taken: dict[str, list[float]] = {"all read": [], "one stopped": []}
    for number in range(ROUNDS):
        for case in sorted(taken, reverse=number % 2 == 0):
            taken[case].append(_fan(pem, stopped=case == "one stopped"))
    detail = {f"{case} s": round(statistics.median(values), 3) for case, values in taken.items()}
    ratio = statistics.median(taken["all read"]) / statistics.median(taken["one stopped"])
    return Result(
        "streams: fan-out to 15 while the 16th is stopped, over all reading", ratio, "ratio", 0.95, "higher", detail
    )


def _fan(pem: Path, *, stopped: bool) -> float:
    settings = {"where": _endpoint(), "size": FAN_BYTES, "count": FAN_FRAMES, "shared": False}
    with ExitStack() as stack:
        router = stack.enter_context(closing(Process("router", pem, **settings)))
        assert router.read() == "ready"
        many, one = (
            stack.enter_context(closing(Process("consume", pem, **settings, consumers=consumers)))
            for consumers in (CONSUMERS - 1, 1)
        )
        assert many.read() == one.read() == "ready"
        if stopped:
            one.signal(signal.SIGSTOP)
        sender = stack.enter_context(closing(Process("send_weft", pem, **settings)))
        assert sender.read() == "ready"
        sender.go()
        report = many.read()
        if stopped:
            one.signal(signal.SIGCONT)
        assert report["lost"] == 0, report
        return float(report["seconds"])


def _endpoint() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return f"quic/localhost:{probe.getsockname()[1]}"


# --- what the processes do -------------------------------------------------------------


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


def _listening(identity: Identity, settings: dict[str, Any]) -> Link:
    return Link(listen=(settings["where"],), identity=identity, shared_memory=settings["shared"])


def _connecting(identity: Identity, settings: dict[str, Any]) -> Link:
    return Link(connect=(settings["where"],), identity=identity, shared_memory=settings["shared"])


def _receive_weft(identity: Identity, settings: dict[str, Any]) -> None:
    streams = ZenohStreams(_listening(identity, settings))
    subscription = streams.subscribe(["a"], SubscribeOptions(queue=1024))
    _say("ready")
    report = _count(subscription, settings)
    _say({**report, **subscription.counters})


def _receive_bare(identity: Identity, settings: dict[str, Any]) -> None:
    """Zenoh's own way: a callback that takes the payload."""
    session = zenoh.open(configuration(_listening(identity, settings)))
    done = threading.Event()
    began, times, count = 0.0, [], 0

    def take(sample: zenoh.Sample) -> None:
        nonlocal began, count
        payload = sample.payload.to_bytes()
        if not count:
            began = time.perf_counter()
        count += 1
        if "times" in settings:
            times.append(time.perf_counter_ns() - int.from_bytes(payload[1:9], "little"))
        if count == settings["count"]:
            done.set()

    session.declare_subscriber(KEY, take)
    _say("ready")
    done.wait()
    _say({"count": count, "seconds": time.perf_counter() - began, "times": [found / 1e9 for found in times]})


def _count(subscription: Subscription, settings: dict[str, Any]) -> dict[str, Any]:
    """Read until all have come, or nothing more does."""
    frame, began, times = subscription.get(FIRST_S), time.perf_counter(), []
    count = 0
    while frame is not None:
        payload, count = frame.payload, count + 1
        if "times" in settings:
            times.append((time.perf_counter_ns() - int.from_bytes(payload[1:9], "little")) / 1e9)
        if count == settings["count"]:
            break
        frame = subscription.get(GIVE_UP_S)
    return {"count": count, "seconds": time.perf_counter() - began, "times": times}


def _send(put: Callable[[bytes, int], object], settings: dict[str, Any]) -> None:
    _say("ready")
    sys.stdin.readline()
    pause = 1 / settings["rate"] if "rate" in settings else 0.0
    fill = bytes(settings["size"] - 9)
    began = time.perf_counter()
    for number in range(settings["count"]):
        if pause:
            time.sleep(max(0.0, began + number * pause - time.perf_counter()))
        put(b"\0" + time.perf_counter_ns().to_bytes(8, "little") + fill, number)
    sys.stdin.read()


def _send_weft(identity: Identity, settings: dict[str, Any]) -> None:
    streams = ZenohStreams(_connecting(identity, settings))
    publisher = streams.publish("a", PublishOptions(settings.get("delivery", "reliable"), keep=settings["count"]))
    _wait_for_listeners(streams.session)
    _send(lambda payload, number: publisher.put(Frame(payload, sequence=number, time_ns=0)), settings)


def _send_bare(identity: Identity, settings: dict[str, Any]) -> None:
    session = zenoh.open(configuration(_connecting(identity, settings)))
    publisher = session.declare_publisher(KEY, congestion_control=zenoh.CongestionControl.BLOCK)
    _wait_for_listeners(session)
    _send(lambda payload, _: publisher.put(payload), settings)


def _wait_for_listeners(session: zenoh.Session) -> None:
    probe: Any = session.declare_publisher(KEY)
    while not probe.matching_status.matching:
        time.sleep(0.02)


def _consume(identity: Identity, settings: dict[str, Any]) -> None:
    """Many consumers, each over a link of its own, in one process."""
    places = [ZenohStreams(_connecting(identity, settings)) for _ in range(settings["consumers"])]
    subscriptions = [place.subscribe(["a"], SubscribeOptions(queue=64)) for place in places]
    reports: list[dict[str, Any]] = []
    readers = [
        threading.Thread(target=lambda found=found: reports.append(_count(found, settings))) for found in subscriptions
    ]
    for reader in readers:
        reader.start()
    _say("ready")
    for reader in readers:
        reader.join()
    lost = sum(found.counters["lost"] for found in subscriptions)
    _say({"seconds": max(report["seconds"] for report in reports), "lost": lost})


def _router(identity: Identity, settings: dict[str, Any]) -> None:
    ZenohStreams(Link(listen=(settings["where"],), identity=identity, router=True, shared_memory=False))
    _say("ready")
    sys.stdin.read()


ROLES = {
    "receive_weft": _receive_weft,
    "receive_bare": _receive_bare,
    "send_weft": _send_weft,
    "send_bare": _send_bare,
    "consume": _consume,
    "router": _router,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](Identity.read(Path(sys.argv[2])), json.loads(sys.argv[3]))
    os._exit(0)
