"""The processes of the streams' benchmark: ``python -m bench.stream_processes ROLE IDENTITY SETTINGS``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zenoh

from weft.core.frame import Frame
from weft.stream.base import PublishOptions, SubscribeOptions, Subscription
from weft.stream.identity import Identity
from weft.stream.zenoh.link import Link, configuration
from weft.stream.zenoh.session import ZenohStreams

FIRST_S, GIVE_UP_S = 60.0, 15.0
KEY = "weft/site/a"

Settings = dict[str, Any]


class Process:
    """A process of this module, spoken to in JSON lines."""

    def __init__(self, role: str, pem: Path, **settings: Any) -> None:
        command = [sys.executable, "-m", "bench.stream_processes", role, str(pem), json.dumps(settings)]
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


# --- what the processes do -------------------------------------------------------------


def say(what: Any) -> None:
    """One line to whoever started this process."""
    print(json.dumps(what), flush=True)


def to_ns_bytes() -> bytes:
    """This moment; the clock is the same for all processes of a machine."""
    return time.perf_counter_ns().to_bytes(8, "little")


def _listening(identity: Identity, settings: Settings) -> Link:
    return Link(listen=(settings["where"],), identity=identity, shared_memory=settings["shared"])


def _connecting(identity: Identity, settings: Settings) -> Link:
    return Link(connect=(settings["where"],), identity=identity, shared_memory=settings["shared"])


def _receive_weft(identity: Identity, settings: Settings) -> None:
    streams = ZenohStreams(_listening(identity, settings))
    subscription = streams.subscribe(["**"], SubscribeOptions(queue=1024))
    say("ready")
    report = _count(subscription, settings)
    say({**report, **subscription.counters})


def _receive_bare(identity: Identity, settings: Settings) -> None:
    """Zenoh's own way: a callback in Python that takes the payload."""
    session = zenoh.open(configuration(_listening(identity, settings)))
    done = threading.Event()
    warm, until = settings["warm"], settings["warm"] + settings["count"]
    began, times, count = 0.0, [], 0

    def take(sample: zenoh.Sample) -> None:
        nonlocal began, count
        payload = sample.payload.to_bytes()
        if count == warm:
            began = time.perf_counter()
        count += 1
        if "times" in settings:
            times.append(_age(payload))
        if count == until:
            done.set()

    session.declare_subscriber("weft/site/**", take)
    say("ready")
    done.wait()
    say({"count": count - warm, "seconds": time.perf_counter() - began, "times": times})


def _count(subscription: Subscription, settings: Settings) -> Settings:
    """Read until all have come, or nothing more does."""
    warm, until = settings["warm"], settings["warm"] + settings["count"]
    began, times, count = 0.0, [], 0
    while count < until and (frame := subscription.get(GIVE_UP_S if count else FIRST_S)) is not None:
        if count == warm:
            began = time.perf_counter()
        count += 1
        if "times" in settings:
            times.append(_age(frame.payload))
    return {"count": count - warm, "seconds": time.perf_counter() - began, "times": times}


def _age(payload: bytes) -> float:
    """Seconds since it was put."""
    return (time.perf_counter_ns() - int.from_bytes(payload[1:9], "little")) / 1e9


def _send(puts: list[Callable[[Frame], object]], settings: Settings) -> None:
    """Frames to each in turn; ``rate`` of them a second, or as fast as it goes."""
    say("ready")
    sys.stdin.readline()
    pause = 1 / settings["rate"] if "rate" in settings else 0.0
    fill = bytes(settings["size"] - 9)
    began = time.perf_counter()
    for number in range(settings["warm"] + settings["count"]):
        if pause:
            time.sleep(max(0.0, began + number * pause - time.perf_counter()))
        puts[number % len(puts)](Frame(b"\0" + to_ns_bytes() + fill, sequence=number, time_ns=0))
    sys.stdin.read()


def _send_weft(identity: Identity, settings: Settings) -> None:
    streams = ZenohStreams(_connecting(identity, settings))
    options = PublishOptions(settings.get("delivery", "reliable"), keep=settings.get("keep", 1024))
    publishers = [streams.publish(f"a/{number}", options) for number in range(settings.get("streams", 1))]
    for number in range(len(publishers)):
        _wait_for_listeners(streams.session, f"{KEY}/{number}")
    _send([publisher.put for publisher in publishers], settings)


def _send_bare(identity: Identity, settings: Settings) -> None:
    """What a program without Weft sends: the payload; nothing numbered, nothing kept, nothing sent again."""
    session = zenoh.open(configuration(_connecting(identity, settings)))
    keys = [f"{KEY}/{number}" for number in range(settings.get("streams", 1))]
    publishers = [session.declare_publisher(key, congestion_control=zenoh.CongestionControl.BLOCK) for key in keys]
    for key in keys:
        _wait_for_listeners(session, key)
    _send([lambda frame, put=made.put: put(frame.payload) for made in publishers], settings)  # type: ignore[misc]


def _wait_for_listeners(session: zenoh.Session, key: str) -> None:
    probe: Any = session.declare_publisher(key)
    while not probe.matching_status.matching:
        time.sleep(0.02)


def _consume(identity: Identity, settings: Settings) -> None:
    """Many consumers, each over a link of its own, in one process."""
    places = [ZenohStreams(_connecting(identity, settings)) for _ in range(settings["consumers"])]
    subscriptions = [place.subscribe(["**"], SubscribeOptions(queue=64)) for place in places]
    reports: list[Settings] = []
    readers = [
        threading.Thread(target=lambda found=found: reports.append(_count(found, settings))) for found in subscriptions
    ]
    for reader in readers:
        reader.start()
    say("ready")
    for reader in readers:
        reader.join()
    lost = sum(found.counters["lost"] for found in subscriptions)
    say({"seconds": max(report["seconds"] for report in reports), "lost": lost})


def _router(identity: Identity, settings: Settings) -> None:
    ZenohStreams(Link(listen=(settings["where"],), identity=identity, router=True, shared_memory=False))
    say("ready")
    sys.stdin.read()


def _receive_aioquic(identity: Identity, settings: Settings) -> None:
    from bench import stream_quic

    stream_quic.receive(identity, settings)


def _send_aioquic(identity: Identity, settings: Settings) -> None:
    from bench import stream_quic

    stream_quic.send(identity, settings)


ROLES = {
    "receive_weft": _receive_weft,
    "receive_bare": _receive_bare,
    "receive_aioquic": _receive_aioquic,
    "send_weft": _send_weft,
    "send_bare": _send_bare,
    "send_aioquic": _send_aioquic,
    "consume": _consume,
    "router": _router,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](Identity.read(Path(sys.argv[2])), json.loads(sys.argv[3]))
    os._exit(0)
