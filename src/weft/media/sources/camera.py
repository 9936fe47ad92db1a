"""A camera: a V4L2 device of this machine, or a stream from the network."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from weft.core.clock import now_ns
from weft.core.errors import MediaError, NotFoundError, UnavailableError, UsageError
from weft.core.frame import Frame
from weft.media.av_errors import input_error, redacted
from weft.media.images import picture_from_video
from weft.media.sources.frames import (
    Size,
    checked_count,
    checked_encoding,
    checked_rate,
    parse_picture_size,
    picture_frame,
)

SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")

# A camera that sends nothing for so long is gone; closing takes no longer than this either.
OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0

# Lost packets damage single frames, which are skipped and counted; so many in a row are no accident.
MAX_DAMAGED = 250

_URL = re.compile(r"([a-z]+)://", re.IGNORECASE)


@dataclass(slots=True)
class CameraCounters:
    """What a camera lost: packets that did not decode."""

    damaged: int = 0


class CameraSource:
    """The frames of a camera. They may be dropped by whoever queues them; the time is that of arrival.

    Packets that do not decode (lost on the network) are skipped and counted in ``counters``.

    Args:
        device: "/dev/video0", "0", or a URL: rtsp://, http://, rtmp://, udp://, tcp://, srt://.
        size: what to ask a device for, "1280x720"; a URL's stream has its own.
        fps: what to ask a device for.
        limit: stop after so many frames.
        encoding: what the payload is when somebody reads it: "jpeg", or "raw" for RGB rows.
    """

    live = True
    length = None

    def __init__(
        self,
        device: str | int = "/dev/video0",
        *,
        size: Size | None = None,
        fps: float | None = None,
        limit: int | None = None,
        encoding: str = "jpeg",
    ) -> None:
        self.device = f"/dev/video{device}" if str(device).isdigit() else str(device)
        self._limit = checked_count(limit, "limit")
        self._encoding = checked_encoding(encoding)
        self._options: dict[str, str] = {}
        if size is not None:
            self._options["video_size"] = "{}x{}".format(*parse_picture_size(size))
        if fps is not None:
            self._options["framerate"] = f"{checked_rate(fps):g}"
        self._check()
        self._closed = threading.Event()
        self.counters = CameraCounters()

    def frames(self) -> Iterator[Frame]:
        """The frames, until ``limit`` or ``close``.

        Raises NotFoundError when there is no such camera, UnavailableError when it is busy, or gone later on.
        """
        sequence = 0
        with self._open() as container:
            for frame in self._decoded(container):
                yield picture_frame(picture_from_video(frame), sequence, now_ns(), self._encoding)
                sequence += 1
                if sequence == self._limit or self._closed.is_set():
                    return
        if not self._closed.is_set():
            what = f"the camera ended its stream after {sequence} frames"
            raise UnavailableError(what, where=redacted(self.device), cure="check the camera and the network")

    def close(self) -> None:
        """End ``frames`` with the next picture, or after ``READ_TIMEOUT_S`` without one."""
        self._closed.set()

    @property
    def _scheme(self) -> str:
        match = _URL.match(self.device)
        return match[1].lower() if match else ""

    def _check(self) -> None:
        if self._scheme:
            if self._scheme not in SCHEMES:
                raise UsageError(f"no camera speaks '{self._scheme}'", cure=f"one of {', '.join(SCHEMES)}")
            if self._options:
                cure = "leave size and fps out and set them in the camera"
                raise UsageError("a network camera decides size and fps itself", cure=cure)
        elif not self.device.startswith("/dev/"):
            cure = "name /dev/videoN or a URL; for a file use a source of type video"
            raise UsageError(f"'{self.device}' is no camera", cure=cure)

    def _open(self) -> InputContainer:
        kind = None if self._scheme else "v4l2"
        options = {"rtsp_transport": "tcp", "fflags": "nobuffer"} if self._scheme.startswith("rtsp") else self._options
        try:
            return av.open(self.device, format=kind, options=options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))
        except av.error.FileNotFoundError as error:
            raise NotFoundError("no such camera", where=redacted(self.device), cure=_present()) from error
        except av.error.FFmpegError as error:
            raise self._lost(error, "cannot be opened") from error

    def _decoded(self, container: InputContainer) -> Iterator[av.VideoFrame]:
        if not container.streams.video:
            raise MediaError("it sends no video", where=redacted(self.device), cure="name its video stream")
        packets = container.demux(container.streams.video[0])
        in_a_row = 0
        while (packet := self._next(packets)) is not None:
            try:
                pictures = packet.decode()
                in_a_row = 0
            except av.error.InvalidDataError as error:
                self.counters.damaged += 1
                in_a_row += 1
                if in_a_row > MAX_DAMAGED:
                    raise input_error(error, self.device, f"{in_a_row} damaged packets in a row") from error
                continue
            yield from pictures

    def _next(self, packets: Iterator[av.Packet[VideoStream]]) -> av.Packet[VideoStream] | None:
        try:
            return None if self._closed.is_set() else next(packets, None)
        except av.error.FFmpegError as error:
            if self._closed.is_set():
                return None
            raise self._lost(error, "the stream broke off") from error

    def _lost(self, error: av.error.FFmpegError, what: str) -> UnavailableError:
        reason = "nothing came in time" if isinstance(error, av.error.ExitError) else error.strerror
        cure = "check the address, the user, and that nobody else has the camera open"
        return UnavailableError(f"{what}: {reason}", where=redacted(self.device), cure=cure)


def _present() -> str:
    devices = sorted(map(str, Path("/dev").glob("video*")))
    return f"there are {', '.join(devices)}" if devices else "this machine has no camera device; plug one in"
