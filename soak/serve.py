"""Load on ``weft serve``: a model run at once and one in batches, ever new connections, and a swap under way."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from bench import load
from soak.watch import Sample, faults, sample
from weft.core.clock import monotonic

WIDTH = 256
CLIENTS = {"quick": 4, "batched": 12}
SETTLE_S = 2.0


class Served:
    """A server under load.

    Attributes:
        samples: of its process.
        answered: requests so far.
        failed: those not answered 200, or not at all.
        wrong: answers looked at that a model does not give.
        slowest_ms: the largest p99 of any round.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.samples: list[Sample] = []
        self.answered = self.failed = self.wrong = 0
        self.slowest_ms = 0.0
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._pool = stack.enter_context(ThreadPoolExecutor(len(CLIENTS) + 1))
        self._step = 1.0
        self._write()
        self._process = stack.enter_context(self._started())
        stack.callback(self._process.terminate)
        assert self._process.stdout is not None
        self._url: str = json.loads(self._process.stdout.readline())["url"]
        self._ready()

    def rounds(self, seconds: float, count: int) -> Iterator[Sample]:
        """Load it for some seconds, in rounds; in the middle one both models are swapped. A sample after each."""
        began = monotonic()
        for number in range(1, count + 1):
            left = began + seconds * number / count - monotonic()
            asked = [self._pool.submit(self._load, name, max(left, 0.1)) for name in CLIENTS]
            if number == count // 2:
                self._swap()
            for one in asked:
                self._note(one)
            self._look()
            yield self._sampled()

    def faults(self) -> list[str]:
        """What went wrong, in words."""
        told = {"were not answered": self.failed, "were answered wrongly": self.wrong}
        return [*(f"{count} requests {what}" for what, count in told.items() if count), *faults(self.samples, "files")]

    def summary(self) -> str:
        """The requests, in one line."""
        return f"{self.answered} requests answered, two models swapped, p99 at most {self.slowest_ms:.0f} ms"

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "weft", "serve", "--port", "0", "--json", "--log-level", "warning"]
        models = [f"--model={name}={self._folder / name}.onnx" for name in CLIENTS]
        words = [*models, "--max-batch=batched=8", "--batch-window=batched=1ms"]
        return subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)

    def _ready(self) -> None:
        while self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self._url}/v2/health/ready"):
                    return
            except urllib.error.HTTPError:
                time.sleep(0.05)
        raise RuntimeError("weft serve ended")

    def _load(self, name: str, seconds: float) -> load.Load:
        return load.run(int(self._url.rpartition(":")[2]), _request(name), CLIENTS[name], seconds)

    def _note(self, done: Future[load.Load]) -> None:
        seen = done.result()
        self.answered += len(seen.latencies)
        self.failed += seen.failed
        if len(seen.latencies) > 1:
            self.slowest_ms = max(self.slowest_ms, seen.quantile_ms(99))

    def _look(self) -> None:
        for name in CLIENTS:
            asked = {"inputs": [{"name": "x", "shape": [1, WIDTH], "datatype": "FP32", "data": [0.0] * WIDTH}]}
            found = json.loads(self._post(f"models/{name}/infer", json.dumps(asked).encode()))
            self.wrong += found["outputs"][0]["data"] != [self._step] * WIDTH

    def _swap(self) -> None:
        self._step += 1
        self._write()
        for name in CLIENTS:
            self._post(f"repository/models/{name}/load", b"")

    def _write(self) -> None:
        for name in CLIENTS:
            beside = self._folder / f"{name}.new"
            beside.write_bytes(_model(1 if name == "quick" else "rows", self._step).SerializeToString())
            beside.rename(self._folder / f"{name}.onnx")

    def _post(self, path: str, body: bytes) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(f"{self._url}/v2/{path}", body, method="POST")) as answer:
            found: bytes = answer.read()
        return found

    def _sampled(self) -> Sample:
        """Once its files are as many as the last time: connections end a moment after their clients."""
        deadline, taken = monotonic() + SETTLE_S, sample(self.answered, self._process.pid)
        while self.samples and taken.files != self.samples[-1].files and monotonic() < deadline:
            time.sleep(0.02)
            taken = sample(self.answered, self._process.pid)
        self.samples.append(taken)
        return taken


def _request(name: str) -> bytes:
    return load.binary_request(name, "x", np.ones((1, WIDTH), np.float32))


def _model(rows: int | str, step: float) -> ModelProto:
    """y = x times the unit matrix, plus a number."""
    kept = [
        numpy_helper.from_array(np.eye(WIDTH, dtype=np.float32), "w"),
        numpy_helper.from_array(np.full(WIDTH, step, np.float32), "b"),
    ]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "b"], ["y"])]
    ports: list[Any] = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, WIDTH]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "soak", ports[:1], ports[1:], kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
