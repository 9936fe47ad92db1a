"""Servers that behave like cameras, and like broken ones."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.media.making import encoded, numbered
from tools.languages import DEBIAN_PYTHON

PATIENCE_S = 20.0
RATE_S = 0.01
"""Seconds between two pictures of the MJPEG camera."""

_RTSP = Path(__file__).with_name("rtsp_server.py")


class Rtsp:
    """GStreamer's RTSP server in a process of its own. It may be killed and started again on its port."""

    def __init__(self, video: Path, credentials: str = "", port: int = 0) -> None:
        self._video = video
        self._credentials = credentials
        self.port = port
        self.process: subprocess.Popen[str] | None = None

    def url(self, credentials: str = "") -> str:
        return f"rtsp://{credentials and credentials + '@'}127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        words = [DEBIAN_PYTHON, str(_RTSP), str(self._video), str(self.port)]
        words += [self._credentials] if self._credentials else []
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def __enter__(self) -> Rtsp:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


Pictures = Callable[[int, threading.Event], Iterator[bytes]]
"""Pictures for the so many-th connection, 0 first; the event says that the test is over."""


@contextmanager
def mjpeg_camera(pictures: Pictures) -> Iterator[str]:
    """An HTTP camera with a password; the URL holds it."""
    over, counting, connections = threading.Event(), threading.Lock(), iter(range(1_000_000))

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with counting:
                number = next(connections)
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for picture in pictures(number, over):
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                    over.wait(RATE_S)
            except OSError:
                return  # whoever looked went away

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://me:secret@127.0.0.1:{server.server_port}/video?token=hush"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def raw_server(answer: bytes = b"") -> Iterator[int]:
    """A server that takes every connection, sends ``answer`` and says nothing more."""
    over = threading.Event()

    def serve() -> None:
        held = []
        while not over.is_set():
            try:
                peer, _ = server.accept()
            except OSError:
                break
            held.append(peer)
            if answer:
                peer.sendall(answer)
                peer.close()
        for peer in held:
            peer.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def jpeg(index: int, width: int = 64, height: int = 48) -> bytes:
    """A numbered picture."""
    return encoded(numbered(index, width, height), "JPEG", quality=95)
