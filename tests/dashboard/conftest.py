"""A view on streams of this process, served on a free port, and browsers that open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Thread

import numpy as np
import pytest

from tests.dashboard.browser import Browser, open_browser
from weft.core.frame import Frame
from weft.dashboard.app import serve_view
from weft.dashboard.server import PageServer
from weft.dashboard.view import View
from weft.media.images import picture_from_array
from weft.stream.base import Publisher, SubscribeOptions
from weft.stream.local import LocalStreams

RED, BLUE = (200, 30, 30), (20, 40, 210)


def jpeg(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (160, 90)) -> bytes:
    """A picture of one colour."""
    width, height = size
    return picture_from_array(np.full((height, width, 3), colour, np.uint8)).encode("image/jpeg")


@dataclass(slots=True)
class Shown:
    """Streams with a page on them.

    Attributes:
        trouble: why there is no link to the site, as the page is told.
    """

    streams: LocalStreams
    view: View
    server: PageServer
    address: str
    publishers: dict[str, Publisher]
    trouble: list[str]

    def put(self, stream: str, payload: bytes, sequence: int = 0, **more: object) -> Frame:
        """Publish one frame, by default a picture of the source "belt"."""
        publisher = self.publishers.get(stream) or self.publishers.setdefault(stream, self.streams.publish(stream))
        told: dict[str, object] = {"media_type": "image/jpeg", "source": "belt", **more}
        frame = Frame(payload, stream=stream, sequence=sequence, **told)  # type: ignore[arg-type]
        publisher.put(frame)
        return frame

    def again(self) -> None:
        """Serve again where it was served before."""
        self.server = serve_view(self.view, self.address)


@pytest.fixture
def show() -> Iterator[Callable[..., Shown]]:
    """``show("cam/*", "labels")``: a page on these streams."""
    made: list[Shown] = []

    def begin(*patterns: str, address: str = "127.0.0.1:0") -> Shown:
        streams = LocalStreams()
        subscription = streams.subscribe(patterns, SubscribeOptions())
        trouble: list[str] = []
        view = View(patterns, streams.known, lambda: trouble[0] if trouble else "", lambda: subscription.counters)
        Thread(target=lambda: [view.take(frame) for frame in subscription], daemon=True).start()
        server = serve_view(view, address)
        host = server.url.split("/")[2]
        shown = Shown(streams, view, server, host, {}, trouble)
        made.append(shown)
        return shown

    yield begin
    for shown in made:
        shown.server.close()
        shown.streams.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a process."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser; it shows nothing before and after the test, and what it complained of is a failure."""
    chromium.clear()
    yield chromium
    chromium.clear()
    assert chromium.complaints() == []
