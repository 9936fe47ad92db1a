"""Makes ``docs/images/view.png``: ``weft view`` with a belt, what the shipped function finds on it, and a test pattern.

``python -m tools.view_screenshot``; needs Chromium with its driver.
"""

from __future__ import annotations

import importlib
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

from tests.dashboard.browser import find, open_browser
from weft.core.clock import now_ns
from weft.core.frame import Frame
from weft.core.protocols import Source
from weft.dashboard.app import serve_view
from weft.dashboard.view import View
from weft.flow.callable import load
from weft.flow.paced import Paced
from weft.media.sources.pattern import PatternSource
from weft.media.sources.video import VideoSource
from weft.stream.base import SubscribeOptions
from weft.stream.local import LocalStreams

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "view.png"
MODEL = ROOT / "examples" / "conveyor" / "detector.onnx"
LABELS = "bolt,nut,washer,gear,bracket,bolt (defect),nut (defect),washer (defect),gear (defect),bracket (defect)"
SEED = 3
SECONDS = 8
SHOWN = 100
"""The frame of the belt from which on the picture may be taken: there are parts on it then."""


@contextmanager
def played(streams: LocalStreams, stream: str, source: Source) -> Iterator[None]:
    """A source on a stream, as it would come from a camera."""
    publisher = streams.publish(stream)
    paced = Paced(source)

    def play() -> None:
        for frame in paced.frames():
            publisher.put(_live(frame, stream))

    thread = Thread(target=play)
    thread.start()
    yield
    paced.close()
    thread.join()


def _live(frame: Frame, stream: str) -> Frame:
    sent = Frame(frame.payload, media_type=frame.media_type, stream=stream, source=stream, sequence=frame.sequence)
    sent.time_ns = now_ns()
    return sent


@contextmanager
def observed(streams: LocalStreams, stream: str, emit: str) -> Iterator[None]:
    """The shipped detector on a stream."""
    publisher = streams.publish(emit)
    subscription = streams.subscribe([stream], SubscribeOptions(queue=1))

    def work() -> None:
        with load("weft:detect", models={"net": str(MODEL)}, config={"labels": LABELS}) as detect:
            for frame in subscription:
                for result in detect(frame):
                    publisher.put(frame.derive(result.payload, media_type=result.media_type, stream=emit))

    thread = Thread(target=work)
    thread.start()
    yield
    subscription.close()
    thread.join()


@contextmanager
def served(streams: LocalStreams) -> Iterator[str]:
    """The page; its address."""
    patterns = ["cam/*", "parts"]
    subscription = streams.subscribe(patterns)
    view = View(patterns, streams.known, counters=lambda: subscription.counters)
    server = serve_view(view, "127.0.0.1:0")
    thread = Thread(target=deque, args=(map(view.take, subscription), 0))
    thread.start()
    yield server.url
    server.close()
    subscription.close()
    thread.join()


def main() -> None:
    """Make the picture."""
    streams = LocalStreams()
    with ExitStack() as stack:
        film = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "belt.mp4"
        importlib.import_module("examples.conveyor.belt").render(film, SEED, SECONDS)
        url = stack.enter_context(served(streams))
        stack.enter_context(observed(streams, "cam/belt", "parts"))
        browser = stack.enter_context(open_browser("--window-size=1180,690"))
        browser.open(url)
        stack.enter_context(played(streams, "cam/belt", VideoSource(film, loop=True)))
        stack.enter_context(played(streams, "cam/test", PatternSource(size="480x270", fps=12.5)))
        belt = find("cam/belt", ".picture")
        browser.until(f"Number({belt}?.dataset.sequence) > {SHOWN}")
        browser.until(f"{find('cam/belt', '.overlay')}.dataset.late === '0'")
        browser.driver.save_screenshot(str(PICTURE))
    print(PICTURE)


if __name__ == "__main__":
    main()
