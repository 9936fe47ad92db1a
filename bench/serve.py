"""A server under load, beside onnxruntime by itself. The generator runs on the same cores as the server."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnxruntime

from bench import load
from bench.harness import DATA, Result

SECONDS = 4.0
ROUNDS = 3
CLIENTS = (1, 8, 64)
PIXELS = (1, 3, 224, 224)


def run() -> Iterator[Result]:
    """The results, as they are measured."""
    models = {"identity": DATA / "models/identity.onnx", "mobilenet": DATA / "models/mobilenetv2.onnx"}
    with serving(*(f"--model={name}={path}" for name, path in models.items())) as port:
        yield _tiny(port)
        for clients in CLIENTS:
            yield from _mobilenet(port, clients)


def _tiny(port: int) -> Result:
    request = load.binary_request("identity", "0", np.ones((1, 4), np.float32))
    load.run(port, request, 16, 0.5)
    seen = max((load.run(port, request, 16, SECONDS) for _ in range(ROUNDS)), key=lambda one: one.per_second)
    return Result("tiny model over HTTP, 16 clients", seen.per_second, "requests/s", 2500, "higher", seen.told())


def _mobilenet(port: int, clients: int) -> Iterator[Result]:
    """Throughput over onnxruntime's own, in turns, so that the machine's moods fall on both alike."""
    request = load.binary_request("mobilenet", "data", np.zeros(PIXELS, np.float32))
    load.run(port, request, clients, 0.5)
    rounds = [(_engine(), load.run(port, request, clients, SECONDS)) for _ in range(ROUNDS)]
    ratio = statistics.median(seen.per_second / engine for engine, seen in rounds)
    engine, seen = rounds[-1]
    figures = {"onnxruntime": round(engine, 1), "weft": round(seen.per_second, 1), **seen.told()}
    name = f"MobileNetV2 over HTTP with binary tensors, {clients} client{'s' if clients > 1 else ''}"
    yield Result(name, ratio, "ratio", 0.85, "higher", figures)
    if clients > 1:
        spread = statistics.median(seen.quantile_ms(99) / seen.quantile_ms(50) for _, seen in rounds)
        yield Result(f"{name}: p99 over p50", spread, "ratio", 3.0, "lower", seen.told())


def _engine() -> float:
    """Inferences per second of onnxruntime alone, with all cores."""
    session = onnxruntime.InferenceSession(str(DATA / "models/mobilenetv2.onnx"), providers=["CPUExecutionProvider"])
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
    command = [sys.executable, "-m", "weft", "serve", "--port", "0", "--json", "--log-level", "warning", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        while not _ready(url):
            time.sleep(0.05)
        yield int(url.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready") as answer:
            return bool(answer.status == 200)
    except urllib.error.URLError:
        return False
