"""How a camera is, told to the site that its stream is shared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event

from weft.core.frame import Frame
from weft.flow.graph import SinkNode, SourceNode
from weft.flow.pipeline import Pipeline
from weft.flow.site import Site
from weft.flow.stream_sink import StreamSink
from weft.stream.base import StreamInfo
from weft.stream.local import LocalStreams

WAIT_S = 10.0


class Camera:
    """A camera that gives no frame by itself."""

    live = True
    length = None
    trouble = ""

    def __init__(self) -> None:
        self.state = "connecting"
        self._closed = Event()

    def frames(self) -> Iterator[Frame]:
        self._closed.wait(WAIT_S)
        yield from ()

    def close(self) -> None:
        self._closed.set()


def wait_for(true: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(int(WAIT_S / 0.02)):
        if true():
            return
        pause.wait(0.02)
    raise AssertionError("it never came true")


def test_a_camera_that_gives_nothing_is_seen_with_its_state() -> None:
    camera = Camera()
    with closing(LocalStreams()) as here, closing(LocalStreams()):
        site = Site(lambda: here)
        sink = SinkNode(name="out", open=lambda: StreamSink(site.streams(), ahead=("cam/1", "x/*")), inputs=("cam/1",))
        source = SourceNode(name="cam", stream="cam/1", open=lambda: camera)
        run = Pipeline(sources=[source], sinks=[sink], site=site).start()

        def seen(state: str) -> bool:
            return here.known() == [StreamInfo("cam/1", here.known()[0].scope, "live", False, 1, (), state)]

        wait_for(lambda: bool(here.known()) and seen("connecting"))
        for state in ("live", "stalled", "backing off"):
            camera.state = state
            wait_for(lambda state=state: seen(state))
        run.stop()
        assert run.wait(WAIT_S)
