"""Streams between two processes over loopback, beside bare Zenoh sessions with the same configuration, and aioquic.

Rates are those after a warm-up as long as what a reliable publisher keeps: from then on its memory is used again.
"""

from __future__ import annotations

import signal
import socket
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from bench.harness import Result
from bench.stream_processes import Process
from weft.stream.identity import Authority

ROUNDS, FAN_ROUNDS, AIOQUIC_ROUNDS = 5, 3, 3
BIG, BIG_WARM, BIG_COUNT, BIG_KEEP = 150_000, 1100, 1500, 1024
SMALL, SMALL_WARM, SMALL_COUNT, SMALL_KEEP = 64, 40_000, 100_000, 200_000
AIOQUIC_BIG, AIOQUIC_SMALL = 100, 50_000
CAMERAS, RATE, CAMERA_BYTES, CAMERA_FRAMES = 4, 30, 50_000, 90
CONSUMERS, FAN_BYTES, FAN_FRAMES = 16, 50_000, 300


def run() -> Iterator[Result]:
    """Throughput, latency, shared memory and fan-out."""
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "bench.pem"
        Authority(Path(folder) / "authority").issue("bench", ("localhost",)).write(pem)
        yield from _throughput(pem, "150 KB frames", _big_rates(pem), BIG)
        yield from _throughput(pem, "64-byte messages", _small_rates(pem), SMALL)
        yield _shared_memory(pem)
        yield _latency(pem)
        yield _fan_out(pem)


Rates = dict[str, list[float]]


def _big_rates(pem: Path) -> Rates:
    found: Rates = {"live": [], "reliable": [], "bare": [], "aioquic": []}
    for number in range(ROUNDS):
        for case in ("live", "reliable", "bare")[:: 1 if number % 2 == 0 else -1]:
            found[case].append(_rate(pem, case, BIG, BIG_WARM, BIG_COUNT, BIG_KEEP))
    found["aioquic"] += [_rate(pem, "aioquic", BIG, 10, AIOQUIC_BIG) for _ in range(AIOQUIC_ROUNDS)]
    return found


def _small_rates(pem: Path) -> Rates:
    found: Rates = {"reliable": [], "bare": [], "aioquic": []}
    for number in range(ROUNDS):
        for case in ("reliable", "bare")[:: 1 if number % 2 == 0 else -1]:
            found[case].append(_rate(pem, case, SMALL, SMALL_WARM, SMALL_COUNT, SMALL_KEEP))
    found["aioquic"] += [_rate(pem, "aioquic", SMALL, 5000, AIOQUIC_SMALL) for _ in range(AIOQUIC_ROUNDS)]
    return found


def _throughput(pem: Path, what: str, rates: Rates, size: int) -> Iterator[Result]:
    medians = {case: statistics.median(values) for case, values in rates.items()}
    detail: dict[str, float] = {f"{case} per s": round(value) for case, value in medians.items()}
    for case in sorted(medians.keys() & {"live", "reliable"}):
        ratio = statistics.median(weft / bare for weft, bare in zip(rates[case], rates["bare"], strict=True))
        name = f"streams: {what}, {case}, over QUIC with TLS, over bare Zenoh"
        yield Result(name, ratio, "ratio", 0.9, "higher", detail | {"MB per s": round(medians[case] * size / 1e6)})
    over = medians["reliable"] / medians["aioquic"]
    name = f"streams: {what}, reliable, over QUIC with TLS, over aioquic"
    yield Result(name, over, "ratio", 10, "higher", {"aioquic MB per s": round(medians["aioquic"] * size / 1e6, 1)})


def _shared_memory(pem: Path) -> Result:
    rates: Rates = {"shared": [], "quic": []}
    for _ in range(FAN_ROUNDS):
        rates["shared"].append(_rate(pem, "reliable", BIG, BIG_WARM, 3 * BIG_COUNT, BIG_KEEP, shared=True))
        rates["quic"].append(_rate(pem, "reliable", BIG, BIG_WARM, BIG_COUNT, BIG_KEEP))
    ratio = statistics.median(rates["shared"]) / statistics.median(rates["quic"])
    detail = {f"{case} MB per s": round(statistics.median(values) * BIG / 1e6) for case, values in rates.items()}
    return Result("streams: 150 KB frames through shared memory, over QUIC", ratio, "ratio", 5, "higher", detail)


def _rate(pem: Path, case: str, size: int, warm: int, count: int, keep: int = 1, *, shared: bool = False) -> float:
    """Frames per second at the receiver, all of which came."""
    kind = case if case in ("bare", "aioquic") else "weft"
    settings = {"where": _endpoint(), "size": size, "warm": warm, "count": count, "keep": keep, "shared": shared}
    if kind == "weft":
        settings["delivery"] = case
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
    count = CAMERA_FRAMES * CAMERAS
    for kind in ("weft", "bare"):
        settings = {"where": _endpoint(), "size": CAMERA_BYTES, "warm": 0, "count": count, "shared": False}
        with closing(Process(f"receive_{kind}", pem, **settings, times=True)) as receiver:
            assert receiver.read() == "ready"
            paced = {**settings, "streams": CAMERAS, "rate": RATE * CAMERAS, "delivery": "live"}
            with closing(Process(f"send_{kind}", pem, **paced)) as sender:
                assert sender.read() == "ready"
                sender.go()
                times[kind] = sorted(receiver.read()["times"])
    detail = {f"{kind} p50 ms": round(statistics.median(found) * 1e3, 2) for kind, found in times.items()}
    p99 = {kind: found[int(len(found) * 0.99)] * 1e3 for kind, found in times.items()}
    detail |= {f"{kind} p99 ms": round(value, 2) for kind, value in p99.items()}
    return Result("streams: 99th percentile of four cameras' latency", p99["weft"], "ms", 20, "lower", detail)


def _fan_out(pem: Path) -> Result:
    """How long frames take to reach fifteen consumers, with the sixteenth reading and with it stopped."""
    taken: Rates = {"all read": [], "one stopped": []}
    for number in range(FAN_ROUNDS):
        for case in sorted(taken, reverse=number % 2 == 0):
            taken[case].append(_fan(pem, stopped=case == "one stopped"))
    detail = {f"{case} s": round(statistics.median(values), 3) for case, values in taken.items()}
    ratio = statistics.median(taken["all read"]) / statistics.median(taken["one stopped"])
    return Result(
        "streams: fan-out to 15 while the 16th is stopped, over all reading", ratio, "ratio", 0.95, "higher", detail
    )


def _fan(pem: Path, *, stopped: bool) -> float:
    settings = {"where": _endpoint(), "size": FAN_BYTES, "warm": 0, "count": FAN_FRAMES, "shared": False}
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
