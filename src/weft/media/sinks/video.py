"""An annotated video: pictures with the boxes and labels functions found in them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from weft.core.errors import MediaError, UnavailableError, UsageError
from weft.core.frame import Frame
from weft.core.picture import Pixels
from weft.media.draw import draw_results
from weft.media.images import picture_of
from weft.media.join import Join, JoinCounters, Joined
from weft.media.results import Results, parse_json, read_results
from weft.media.sinks.text import output_error
from weft.media.sources.frames import checked_rate

# In the order of preference; the options are those of the encoder.
ENCODERS = {
    "libx264": {"preset": "veryfast", "crf": "22"},
    "libopenh264": {},
    "mpeg4": {"flags": "+qscale", "global_quality": "472"},
}

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}

# Ticks per second: a whole number of them for 24, 25, 30, 50 and 60 fps, and no more than MPEG-4 part 2 can count.
_TICKS = 60_000

_log = logging.getLogger(__name__)


class VideoSink:
    """Writes H.264 into an MP4, MOV or MKV file, with results drawn on the pictures they belong to.

    Give it one stream of pictures and any number of streams of JSON results; :class:`Join` brings them together
    (``counters`` tells how that went). The file appears under its name when the sink is closed; until then it has
    ``.part`` appended, and also afterwards if it could not be finished. Without a single picture there is no file.

    Args:
        path: the file to write.
        fps: frames per second; None keeps the times of the frames, which suits video and cameras.
        results: the names of the results streams, so that the first pictures wait for all of them.
        buffer: pictures that may wait for their results; beyond it the oldest is written as it is.
        min_score: results below it are not drawn.
        codec: an encoder of FFmpeg's; None takes the first of ``ENCODERS`` this build of PyAV has, and ``codec``
            then says which.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        fps: float | None = None,
        results: Sequence[str] = (),
        buffer: int = 64,
        min_score: float = 0.0,
        codec: str | None = None,
    ) -> None:
        if buffer < 1:
            raise UsageError(f"buffer is {buffer}", cure="give at least 1")
        self._writer = VideoWriter(path, fps=fps, codec=codec)
        self._join = Join(results, capacity=buffer)
        self._min_score = min_score
        self._pictures: str | None = None

    @property
    def codec(self) -> str:
        """The encoder in use."""
        return self._writer.codec

    @property
    def counters(self) -> JoinCounters:
        """What became of pictures and results."""
        return self._join.counters

    def write(self, frame: Frame) -> None:
        """Take a picture or a result. Raises UsageError for a second stream of pictures, OutputError, MediaError."""
        if frame.media_type == "application/json":
            self._draw(self._join.result(frame))
            return
        if self._pictures not in (None, frame.stream):
            what = f"pictures come from '{self._pictures}' and from '{frame.stream}'"
            raise UsageError(what, cure="give each stream of pictures a video sink of its own")
        picture_of(frame)
        self._pictures = frame.stream
        self._draw(self._join.picture(frame))

    def close(self) -> None:
        """Write what still waits, and give the file its name; OutputError when it cannot be written."""
        try:
            self._draw(self._join.flush())
        finally:
            self._writer.close()

    def _draw(self, joined: Iterable[Joined]) -> None:
        damaged: MediaError | None = None
        for frame, results in joined:
            try:
                pixels = self._pixels(frame)
            except MediaError as error:
                # The pictures after it are good and must not be lost with it.
                damaged = damaged or error
                continue
            found = self._strong(results)
            self._writer.write(draw_results(pixels, found) if found else pixels, frame.time_ns)
        if damaged:
            raise damaged

    def _pixels(self, frame: Frame) -> Pixels:
        picture = picture_of(frame)
        return picture.pixels(*(self._writer.size or (picture.width, picture.height)))

    def _strong(self, frames: Iterable[Frame]) -> Results:
        found = sum((_results(frame) for frame in frames), Results())
        boxes = tuple(box for box in found.boxes if box.score is None or box.score >= self._min_score)
        labels = tuple(label for label in found.labels if label.score is None or label.score >= self._min_score)
        return Results(boxes, labels)


def _results(frame: Frame) -> Results:
    try:
        return read_results(parse_json(frame.payload))
    except ValueError:
        return Results()


class VideoWriter:
    """Encodes RGB pixels into a video file that gets its name when it is complete.

    Args: as those of :class:`VideoSink`.
    """

    def __init__(self, path: str | PathLike[str], *, fps: float | None = None, codec: str | None = None) -> None:
        self.path = Path(fspath(path))
        if self.path.suffix.lower() not in CONTAINERS:
            raise UsageError(f"no video is called '{self.path.name}'", cure=f"end it in {', '.join(CONTAINERS)}")
        self.codec = _encoder(codec)
        self.size: tuple[int, int] | None = None
        self._fps = None if fps is None else checked_rate(fps)
        self._part = self.path.with_name(self.path.name + ".part")
        self._container: OutputContainer | None = None
        self._stream: VideoStream
        self._begin_ns = 0
        self._tick = -1
        self._count = 0
        self._probe()

    def write(self, pixels: Pixels, time_ns: int) -> None:
        """Add u8 [height, width, 3] RGB, all of the first one's size; an odd last row or column is cut off."""
        if self._container is None:
            self._begin(pixels, time_ns)
        assert self.size is not None
        width, height = self.size
        frame = av.VideoFrame.from_ndarray(pixels[:height, :width], format="rgb24")
        frame.pts = self._next_tick(time_ns)
        frame.time_base = Fraction(1, _TICKS)
        self._mux(frame)

    def close(self) -> None:
        """Finish the file and rename it; nothing without pictures. OutputError when it cannot be written."""
        if self._container is None:
            return
        try:
            self._mux(None)
            self._container.close()
            self._part.replace(self.path)
        except (av.error.FFmpegError, OSError) as error:
            raise output_error(error, str(self.path)) from error
        finally:
            self._container = None

    def _probe(self) -> None:
        # A wrong path should be known before the first hour of video, not after it.
        try:
            self._part.touch()
            self._part.unlink()
        except OSError as error:
            raise output_error(error, str(self.path)) from error

    def _begin(self, pixels: Pixels, time_ns: int) -> None:
        height, width = (max(2, side - side % 2) for side in pixels.shape[:2])
        try:
            container = av.open(str(self._part), "w", format=CONTAINERS[self.path.suffix.lower()])
            rate = Fraction(self._fps).limit_denominator(1001) if self._fps else 25
            stream = container.add_stream(self.codec, rate=rate, options=dict(ENCODERS.get(self.codec, {})))
        except (av.error.FFmpegError, OSError) as error:
            raise output_error(error, str(self.path)) from error
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream, self._container, self.size, self._begin_ns = stream, container, (width, height), time_ns

    def _next_tick(self, time_ns: int) -> int:
        wanted = self._count / self._fps if self._fps else (time_ns - self._begin_ns) / 1e9
        self._tick = max(round(wanted * _TICKS), self._tick + 1)
        self._count += 1
        return self._tick

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None
        try:
            self._container.mux(self._stream.encode(frame))
        except av.error.FFmpegError as error:
            raise output_error(error, str(self.path)) from error


def _encoder(wanted: str | None) -> str:
    present = [name for name in ENCODERS if _can_encode(name)]
    if wanted is not None:
        if not _can_encode(wanted):
            raise UnavailableError(f"PyAV here has no encoder '{wanted}'", cure=f"one of {', '.join(present)}")
        return wanted
    if not present:
        raise UnavailableError("PyAV here cannot encode video", cure="install the av wheel from PyPI")
    if present[0] == "mpeg4":
        _log.warning("no H.264 encoder in this PyAV: writing MPEG-4 part 2; install the av wheel to get H.264")
    return present[0]


def _can_encode(name: str) -> bool:
    try:
        return av.Codec(name, "w").type == "video"
    except ValueError:
        return False
