"""The pictures of one connection to a camera, as FFmpeg decodes them. This runs in the decoder's process."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from weft.core.address import present_devices, redacted
from weft.core.clock import monotonic
from weft.core.errors import MediaError, NotFoundError, UnavailableError, WeftError
from weft.media.av_errors import input_error, no_text
from weft.media.cameras.messages import Job

# Lost packets damage single pictures, which are skipped and counted; so many in a row are no accident.
MAX_DAMAGED = 250

_FORMATS = {"device": "v4l2", "network": None, "file": None}


class Capture:
    """Opens what a job names and decodes it.

    Attributes:
        damaged: packets that did not decode, and were skipped.
        given: pictures given.
    """

    def __init__(self, job: Job, stop: threading.Event) -> None:
        self.damaged = 0
        self.given = 0
        self._job = job
        self._stop = stop
        self._due = 0.0

    def pictures(self) -> Iterator[av.VideoFrame]:
        """The pictures until ``stop``; of a file, at its own speed and to its end, or without end with ``loop``.

        Raises NotFoundError, MediaError or UnavailableError, also at the end of what should not have one.
        """
        yield from self._pass()
        while self._job.loop and self.given and not self._stop.is_set():
            yield from self._pass()
        if self._job.kind != "file" and not self._stop.is_set():
            what = f"the camera ended its stream after {self.given} frames"
            raise UnavailableError(what, cure="check the camera and the network")
        if not self.given and not self._stop.is_set():
            raise MediaError("there is no frame in it", cure="check that it plays")

    def _pass(self) -> Iterator[av.VideoFrame]:
        with self._open() as container:
            if not container.streams.video:
                raise MediaError("it sends no video", cure="name its video stream")
            stream = container.streams.video[0]
            pictures = self._decoded(container, stream)
            for picture in self._paced(pictures, stream) if self._job.kind == "file" else pictures:
                self.given += 1
                yield picture

    def _open(self) -> InputContainer:
        kind = _FORMATS[self._job.kind]
        try:
            return no_text(av.open(_target(self._job), format=kind, options=dict(self._job.options)), "")
        except av.error.FileNotFoundError as error:
            raise self._missing() from error
        except av.error.FFmpegError as error:
            raise self._lost(error, "cannot be opened") from error

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        packets = container.demux(stream)
        in_a_row = 0
        while (packet := self._next(packets)) is not None:
            try:
                pictures = packet.decode()
                in_a_row = 0
            except av.error.InvalidDataError as error:
                self.damaged += 1
                in_a_row += 1
                if in_a_row > MAX_DAMAGED:
                    raise input_error(error, "", f"{in_a_row} damaged packets in a row") from error
                continue
            yield from pictures

    def _next(self, packets: Iterator[av.Packet[VideoStream]]) -> av.Packet[VideoStream] | None:
        try:
            return None if self._stop.is_set() else next(packets, None)
        except av.error.FFmpegError as error:
            raise self._lost(error, "the stream broke off") from error

    def _paced(self, pictures: Iterator[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
        """The pictures at the times the file says; those of a next pass follow on those before."""
        step = float(1 / stream.average_rate) if stream.average_rate else 1 / 25
        begin, first = max(monotonic(), self._due + step), None
        for index, picture in enumerate(pictures):
            seconds = picture.time if picture.time is not None else index * step
            first = seconds if first is None else first
            self._due = begin + max(seconds - first, 0.0)
            if self._stop.wait(max(self._due - monotonic(), 0.0)):
                return
            yield picture

    def _missing(self) -> WeftError:
        if self._job.kind == "device":
            return NotFoundError("no such camera", cure=present_devices())
        if self._job.kind == "file":
            return NotFoundError("no such file", cure="check the path; a camera's device is /dev/videoN")
        return NotFoundError("no such camera", cure="check the address")

    def _lost(self, error: av.error.FFmpegError, what: str) -> WeftError:
        reason = redacted(error.strerror or str(error))
        if self._job.kind == "file":
            return input_error(error, "", what)
        cure = "check the address, the user, and that nobody else has the camera open"
        return UnavailableError(f"{what}: {reason}", cure=cure)


def _target(job: Job) -> str:
    """FFmpeg takes "concat:…" and its like for protocols; a file is a file, whatever it is called."""
    return f"file:{job.target}" if job.kind == "file" else job.target
