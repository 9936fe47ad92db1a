"""The view page's server: pictures a second it sustains, what it adds to latency, and the processor time it takes.

Pictures are published in this process and received by browsers' stand-ins in another, which acknowledge each as a page
does. A page itself decodes and draws, which is the browser's work.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from bench.harness import Result
from weft.core.frame import Frame
from weft.dashboard.app import serve_view
from weft.dashboard.view import View
from weft.media.sources.pattern import PatternSource
from weft.stream.base import SubscribeOptions
from weft.stream.local import LocalStreams

SECONDS = 4.0
FPS = 30.0
PICTURE_BYTES = 150_000
STREAM = "cam/1"


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one: pictures a second at each page, milliseconds on the way, percent of a core."""

    fps: float
    p50_ms: float
    p99_ms: float
    core: float


def run() -> Iterator[Result]:
    """720p pictures of 150 KB: as fast as they go to 1 and 8 pages, and at 30 a second."""
    fast = {pages: _measure(pages, 0.0) for pages in (1, 8)}
    calm = {pages: _measure(pages, FPS) for pages in (1, 8)}
    detail = {
        "fps to 1 page": round(fast[1].fps),
        **{f"{pages} pages at 30 fps, core %": round(one.core, 1) for pages, one in calm.items()},
    }
    title = "view page: pictures a second that each of 8 pages gets, 150 KB each, over the 30 of a camera"
    yield Result(title, fast[8].fps / FPS, "ratio", 1.0, "higher", detail)
    detail = {
        f"{pages} pages {name} ms": value
        for pages, one in calm.items()
        for name, value in (("p50", round(one.p50_ms, 2)), ("p99", round(one.p99_ms, 2)))
    }
    yield Result(
        "view page: p50 from publishing to the browser, 1 page, 30 fps", calm[1].p50_ms, "ms", 5.0, "lower", detail
    )


def _measure(pages: int, fps: float) -> Run:
    streams = LocalStreams()
    subscription = streams.subscribe([STREAM], SubscribeOptions(queue=4))
    view = View([STREAM], streams.known)
    server = serve_view(view, "127.0.0.1:0")
    reader = Thread(target=deque, args=(map(view.take, subscription), 0))
    reader.start()
    words = [sys.executable, "-m", "bench.view", server.url, str(pages)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as browsers:
        assert browsers.stdout is not None
        browsers.stdout.readline()
        began, before = time.perf_counter(), time.process_time()
        _publish(streams, fps)
        core = (time.process_time() - before) / (time.perf_counter() - began) * 100
        subscription.close()
        server.close()
        told = json.loads(browsers.stdout.read())
    reader.join()
    streams.close()
    return Run(told["fps"], told["p50_ms"], told["p99_ms"], core)


def _publish(streams: LocalStreams, fps: float) -> None:
    publisher = streams.publish(STREAM)
    payload = _picture()
    began = time.perf_counter()
    sequence = 0
    while (now := time.perf_counter() - began) < SECONDS:
        due = sequence / (fps or 1000.0)
        if due > now:
            time.sleep(due - now)
        publisher.put(Frame(payload, media_type="image/jpeg", source="camera", sequence=sequence))
        sequence += 1


def _picture() -> bytes:
    """A JPEG of a camera's usual size; what follows a JPEG's end is ignored by all."""
    frame = next(iter(PatternSource(size="1280x720", frames=1).frames()))
    return frame.payload.ljust(PICTURE_BYTES, b"\0")


async def _browse(url: str, pages: int) -> None:
    """So many pages until the server ends; then what they saw."""
    seen: list[list[tuple[float, float]]] = [[] for _ in range(pages)]
    joined = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(_page(url, one, joined)) for one in seen]
    for _ in range(pages):
        await joined.acquire()
    print("ready", flush=True)
    await asyncio.gather(*tasks)
    delays = sorted(delay for one in seen for _, delay in one)
    rates = [(len(one) - 1) / (one[-1][0] - one[0][0]) for one in seen]
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(json.dumps({"fps": statistics.median(rates), "p50_ms": p50, "p99_ms": p99}))


async def _page(url: str, seen: list[tuple[float, float]], joined: asyncio.Semaphore) -> None:
    """One page: when each picture came, and how many milliseconds after it was published."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):  # the server ends
        async with connect(f"ws{url.removeprefix('http')}socket", compression=None, max_size=2**22) as socket:
            await socket.recv()
            joined.release()
            async for message in socket:
                if isinstance(message, bytes):
                    size = int.from_bytes(message[:4], "big")
                    head = json.loads(message[4 : 4 + size])
                    seen.append((time.time(), time.time() * 1e3 - head["time"]))
                    await socket.send(json.dumps({"type": "drawn", "stream": STREAM, "number": head["number"]}))


if __name__ == "__main__":
    asyncio.run(_browse(sys.argv[1], int(sys.argv[2])))
