"""A camera: a V4L2 device of this machine, a stream from the network, or a video file played as if it were one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from types import MappingProxyType
from typing import Any

from weft.core.address import CameraAddress, camera_address
from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.suggest import did_you_mean
from weft.media.cameras.bell import Bell
from weft.media.cameras.counters import CameraCounters
from weft.media.cameras.feed import Feed
from weft.media.cameras.messages import Job
from weft.media.cameras.retry import Retry, retry_of
from weft.media.cameras.watch import Patience, State, Watch, Watched
from weft.media.sources.frames import (
    Size,
    checked_count,
    checked_encoding,
    checked_rate,
    checked_seconds,
    parse_picture_size,
    picture_frame,
)

TRANSPORTS = ("tcp", "udp")


class CameraSource(Watched):
    """The frames of a camera, over all its deaths: it is connected to again and again, with growing pauses.

    Decoding happens in a process of its own, which is killed where it hangs and started again where it dies. Frames
    nobody takes in time are dropped, the oldest first. The time of a frame is that of its decoding; the sequence
    goes on after a reconnect, and frames since then carry the header ``reconnects``, their number so far.

    Args:
        device: "/dev/video0", "0", a URL (rtsp://, http://, rtmp://, udp://, tcp://, srt://), or a video file, which
            is played at its own speed.
        size: what to ask a device for, "1280x720"; everything else has its own.
        fps: what to ask a device for.
        limit: stop after so many frames.
        encoding: what the payload is when somebody reads it: "jpeg", or "raw" for RGB rows.
        transport: how an RTSP server is to send: "tcp" (the default), or "udp".
        start: seconds until the first picture of a connection.
        stall: seconds without a picture after which a camera counts as dead.
        retry: how long to wait before trying again, and how often; by default for ever.
        loop: play a file again and again.
    """

    live = True
    length = None

    def __init__(
        self,
        device: str | int | PathLike[str] = "/dev/video0",
        *,
        size: Size | None = None,
        fps: float | None = None,
        limit: int | None = None,
        encoding: str = "jpeg",
        transport: str | None = None,
        start: float = 15.0,
        stall: float = 5.0,
        retry: Retry | Mapping[str, Any] | None = None,
        loop: bool = False,
    ) -> None:
        address = camera_address(str(device) if isinstance(device, int) else fspath(device))
        self._limit = checked_count(limit, "limit")
        self._encoding = checked_encoding(encoding)
        options = _device_options(address, size, fps) | _network_options(address, transport)
        if loop and address.kind != "file":
            raise UsageError("only a file can loop", where=address.shown, cure="leave loop out")
        self._job = Job(address.kind, address.target, address.shown, options, loop)
        patience = Patience(checked_seconds(start, "start"), checked_seconds(stall, "stall"))
        self._watch = Watch(patience, retry_of(retry), where=address.shown)
        self._bell = Bell()
        self._feed = Feed(self._job, self._watch, self._bell)

    @property
    def device(self) -> str:
        """What the camera is called in messages: its address without users, passwords and queries."""
        return self._job.shown

    @property
    def counters(self) -> CameraCounters:
        """How often it was connected to, stalled, failed, and what was lost."""
        return self._watch.counters

    @property
    def decoder(self) -> int | None:
        """The number of the process that decodes; None while there is none."""
        decoder = self._feed.decoder
        return None if decoder is None else decoder.pid

    def frames(self) -> Iterator[Frame]:
        """The frames, until ``limit``, ``close``, or the end of a file.

        Where ``retry`` bounds the attempts, raises what the last one failed of: NotFoundError when there is no such
        camera, UnavailableError when it is busy, silent or gone, MediaError when it sends no video.
        """
        if self._watch.state is not State.IDLE:
            raise UsageError("the frames of a camera are read once", where=self.device, cure="make another source")
        sequence = 0
        try:
            while sequence != self._limit and (found := self._feed.next()) is not None:
                picture, time_ns = found
                frame = picture_frame(picture, sequence, time_ns, self._encoding)
                if self.counters.reconnects:
                    frame.headers = self._with_reconnects(frame.headers)
                yield frame
                sequence += 1
        finally:
            self._feed.close()

    def close(self) -> None:
        """End ``frames`` at once."""
        self._bell.ring()

    def __repr__(self) -> str:
        return f"CameraSource({self.device!r}, {self.state})"

    def _with_reconnects(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return MappingProxyType({**headers, "reconnects": str(self.counters.reconnects)})


def _device_options(address: CameraAddress, size: Size | None, fps: float | None) -> dict[str, str]:
    options: dict[str, str] = {}
    if size is not None:
        options["video_size"] = "{}x{}".format(*parse_picture_size(size))
    if fps is not None:
        options["framerate"] = f"{checked_rate(fps):g}"
    if options and address.kind != "device":
        what, cure = "size and fps are asked of devices alone", "leave size and fps out and set them in the camera"
        raise UsageError(what, where=address.shown, cure=cure)
    return options


def _network_options(address: CameraAddress, transport: str | None) -> dict[str, str]:
    if transport is not None and not address.rtsp:
        raise UsageError("transport is for rtsp:// alone", where=address.shown, cure="leave transport out")
    if transport not in (None, *TRANSPORTS):
        cure = did_you_mean(transport, TRANSPORTS) or "tcp or udp"
        raise UsageError(f"no transport '{transport}'", where=address.shown, cure=cure)
    # Nobody needs the frame rate, and waiting for it costs a second. What is read until then is kept: thrown away, as
    # with FFmpeg's "nobuffer", the next key picture may be seconds off.
    quick = {"fpsprobesize": "0"} if address.kind == "network" else {}
    return quick | ({"rtsp_transport": transport or "tcp"} if address.rtsp else {})
