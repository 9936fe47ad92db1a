"""Real cameras for tests: GStreamer's RTSP server, and how to ask whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.media.cameras.serving import Rtsp
from tools.languages import camera_found

MakeRtsp = Callable[..., Rtsp]


@pytest.fixture(scope="session")
def gstreamer() -> None:
    """A machine with GStreamer's RTSP server."""
    if not camera_found():
        missing("GStreamer's RTSP server", "make languages, as root on Debian")


@pytest.fixture
def rtsp(gstreamer: None, data: Path) -> Iterator[MakeRtsp]:
    """Makes servers, not started yet, of the reference video; they are gone with the test."""
    with ExitStack() as stack:

        def make(**options: object) -> Rtsp:
            server = Rtsp(data / "video" / "hot-dog.mp4", **options)  # type: ignore[arg-type]  # as they are given
            stack.callback(server.kill)
            return server

        yield make
