"""A server under load, beside onnxruntime by itself and beside other servers, where ``WEFT_BENCH_PYTHON`` has them.

The generator runs on the same cores as the servers.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import onnxruntime

from bench import load
from bench.harness import DATA, Result
from bench.others import beside
from weft.nn.backend import usable_cores

SECONDS = float(os.environ.get("WEFT_BENCH_SECONDS", "1.5"))
ROUNDS = 3
CLIENTS = (1, 8, 64)
PIXELS = (1, 3, 224, 224)
LABELS = DATA / "labels/imagenet_1000.txt"
MODEL = DATA / "models/mobilenetv2.onnx"
PICTURE = DATA / "images/cat.jpg"
WAYS = {"tensor": "binary tensors", "picture": "JPEG"}

Rounds = list[dict[str, load.Load]]


def run() -> Iterator[Result]:
    """The results, as they are measured."""
    words = (f"--model=identity={DATA / 'models/identity.onnx'}", f"--model=mobilenet={MODEL}")
    with serving(*words, f"--labels=mobilenet={LABELS}") as port:
        yield _tiny(port)
        with beside.running(MODEL, LABELS, usable_cores()) as others:
            beside.say_left_out(others)
            for way, clients in product(WAYS, CLIENTS):
                yield from _mobilenet(port, others, way, clients)


def _tiny(port: int) -> Result:
    request = load.binary_request("identity", "0", np.ones((1, 4), np.float32))
    load.run(port, request, 16, 0.5)
    seen = max((_sound(load.run(port, request, 16, SECONDS), "Weft") for _ in range(ROUNDS)), key=_rate)
    return Result("tiny model over HTTP, 16 clients", seen.per_second, "requests/s", 2500, "higher", seen.told())


def _mobilenet(port: int, others: dict[str, int], way: str, clients: int) -> Iterator[Result]:
    """All in turns, so that the machine's moods fall on all alike; onnxruntime by itself among them."""
    body = np.zeros(PIXELS, np.float32).tobytes() if way == "tensor" else PICTURE.read_bytes()
    asked = {"Weft": (port, _request(way))}
    asked |= {name: (at, beside.OTHERS[name].ask(way, body)) for name, at in others.items()}
    for at, request in asked.values():
        load.run(at, request, clients, 0.2)
    engines, rounds = [], []
    for number in range(ROUNDS):
        engines.append(engine())
        names = list(asked)[:: 1 if number % 2 else -1]
        rounds.append({name: _sound(load.run(*asked[name], clients, SECONDS), name) for name in names})
    name = f"MobileNetV2 over HTTP with {WAYS[way]}, {clients} client{'s' if clients > 1 else ''}"
    yield from _results(name, clients, engines, rounds, beside.left_out(others))


def _results(name: str, clients: int, engines: list[float], rounds: Rounds, left_out: str) -> Iterator[Result]:
    weft = [seen["Weft"] for seen in rounds]
    ratio = statistics.median(_rate(seen) / alone for seen, alone in zip(weft, engines, strict=True))
    told = _told(weft)
    figures = {"onnxruntime": round(statistics.median(engines), 1), **told}
    yield Result(name, ratio, "ratio", 0.85, "higher", figures | ({"left out": left_out} if left_out else {}))
    if others := [one for one in rounds[0] if one != "Weft"]:
        ahead = statistics.median(_rate(seen["Weft"]) / max(_rate(seen[one]) for one in others) for seen in rounds)
        beside_it = {one: _shown(_told([seen[one] for seen in rounds])) for one in others}
        yield Result(f"{name}: over the best other", ahead, "ratio", 1.0, "higher", {"Weft": _shown(told)} | beside_it)
    if clients > 1:
        spread = statistics.median(seen.quantile_ms(99) / seen.quantile_ms(50) for seen in weft)
        yield Result(f"{name}: p99 over p50", spread, "ratio", 3.0, "lower", told)


def _request(way: str) -> bytes:
    if way == "tensor":
        return load.binary_request("mobilenet", "data", np.zeros(PIXELS, np.float32))
    return load.post("/mobilenet/matches", PICTURE.read_bytes(), "image/jpeg")


def _rate(seen: load.Load) -> float:
    return seen.per_second


def _sound(seen: load.Load, name: str) -> load.Load:
    """Refused requests are answered fast: nothing is measured by them."""
    if seen.failed:
        raise RuntimeError(f"{name} failed on {seen.failed} of {len(seen.latencies)} requests")
    return seen


def _told(rounds: list[load.Load]) -> dict[str, float]:
    """Medians over the rounds."""
    rows = [{"per_second": round(seen.per_second, 1), **seen.told()} for seen in rounds]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0] if name != "failed"}


def _shown(told: dict[str, float]) -> str:
    return f"{told['per_second']:g}/s (p50 {told['p50_ms']:g} ms, p99 {told['p99_ms']:g} ms)"


def engine() -> float:
    """Inferences per second of onnxruntime alone, with all cores."""
    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    given = {"data": np.zeros(PIXELS, np.float32)}
    for _ in range(5):
        session.run(None, given)
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < SECONDS:
        session.run(None, given)
        count += 1
    return count / taken


@contextmanager
def serving(*words: str) -> Iterator[int]:
    """The port of ``weft serve``, ready, for as long as the block runs."""
    with started(*words) as told:
        yield int(told["url"].rpartition(":")[2])


@contextmanager
def started(*words: str) -> Iterator[dict[str, Any]]:
    """What ``weft serve`` tells of its addresses, once it is ready, for as long as the block runs."""
    command = [sys.executable, "-m", "weft", "serve", "--port", "0", "--json", "--log-level", "warning", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        while not _ready(told["url"]):
            time.sleep(0.05)
        yield told
    finally:
        process.terminate()
        process.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready") as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False
