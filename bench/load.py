"""A load generator that costs little: prepared requests over kept connections, the next when one is answered."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import uvloop

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(slots=True)
class Load:
    """What a run of the generator saw.

    Attributes:
        seconds: how long it ran.
        latencies: seconds of each request, in the order of the answers.
        failed: answers that were not 200, and requests that got none.
        cpu: the generator's own processor seconds per second.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    cpu: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def quantile_ms(self, percent: int) -> float:
        """A quantile of the latencies, milliseconds."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1e3

    def told(self) -> dict[str, Any]:
        """For the details of a result."""
        return {
            "p50_ms": round(self.quantile_ms(50), 2),
            "p99_ms": round(self.quantile_ms(99), 2),
            "failed": self.failed,
            "generator_cpu": round(self.cpu, 2),
        }


def binary_request(model: str, name: str, array: np.ndarray[Any, Any]) -> bytes:
    """An inference with a binary tensor, as it goes over the wire."""
    raw = array.tobytes()
    given: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": "FP32"}
    given["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    lines = [
        f"POST /v2/models/{model}/infer HTTP/1.1",
        "Host: localhost",
        f"Inference-Header-Content-Length: {len(head)}",
        f"Content-Length: {len(head) + len(raw)}",
    ]
    return "\r\n".join(lines).encode() + _END + head + raw


def post(path: str, body: bytes, media_type: str = "application/octet-stream") -> bytes:
    """A POST, as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {media_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END + body


def run(port: int, request: bytes, clients: int, seconds: float) -> Load:
    """Ask for some seconds with some clients."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, request, clients, seconds))


async def _run(port: int, request: bytes, clients: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    load, done = Load(), loop.create_future()
    left = clients
    cpu, began = time.process_time(), time.perf_counter()

    def ended() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    for _ in range(clients):
        await loop.create_connection(lambda: _Client(request, load, began + seconds, ended), "127.0.0.1", port)
    await done
    load.seconds = time.perf_counter() - began
    load.cpu = (time.process_time() - cpu) / load.seconds
    return load


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes, load: Load, until: float, ended: Callable[[], None]) -> None:
        self._request = request
        self._load = load
        self._until = until
        self._ended = ended
        self._got = bytearray()
        self._whole = 0
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._waits = True
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._whole and (end := self._got.find(_END)) >= 0:
            head = bytes(self._got[:end]).lower()
            at = head.index(_LENGTH) + len(_LENGTH)
            self._whole = end + len(_END) + int(head[at:].split(b"\r", 1)[0])
            self._load.failed += not head.startswith(b"http/1.1 200")
        if self._whole and len(self._got) >= self._whole:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self._load.latencies.append(now - self._asked)
        self._got.clear()
        self._whole = 0
        self._waits = False
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.failed += self._waits
        self._ended()
