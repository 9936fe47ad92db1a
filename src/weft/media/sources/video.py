"""A video file: every frame, in order, as fast as they are taken."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from weft.core.address import redacted
from weft.core.clock import now_ns
from weft.core.errors import MediaError, WeftError
from weft.core.frame import Frame
from weft.media.av_errors import input_error, no_text
from weft.media.images import picture_from_video
from weft.media.sources.frames import checked_count, checked_encoding, picture_frame

# A second thread costs a third more processor time and gains nothing here: one decodes 480x270 at 4,600 frames per
# second, far more than any model takes.
_ONE_THREAD = 1280 * 720


class VideoSource:
    """The frames of a video file, or of a video behind an http(s) URL. None is ever dropped.

    A file that breaks off gives all frames before the break, then MediaError. The time of a frame is its
    place in the video, counted from the moment the reading began.

    Args:
        path: the file or URL; anything FFmpeg reads.
        loop: start again at the end, for ever or until ``limit``.
        limit: stop after so many frames.
        encoding: what the payload is when somebody reads it: "jpeg", or "raw" for RGB rows.
        threads: decoding threads; 0 is one per core, None is one up to 1280x720 and one per core beyond.
    """

    live = False

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        loop: bool = False,
        limit: int | None = None,
        encoding: str = "jpeg",
        threads: int | None = None,
    ) -> None:
        self.path = fspath(path)
        self._loop = loop
        self._limit = checked_count(limit, "limit")
        self._encoding = checked_encoding(encoding)
        self._threads = threads
        self._closed = threading.Event()

    @property
    def length(self) -> int | None:
        """The number of frames the file says it has, or ``limit``; None where it does not say."""
        if self._loop:
            return self._limit
        try:
            with self._open() as container:
                count = self._stream(container).frames or None
        except WeftError:
            return None
        return min(count, self._limit) if count and self._limit else count

    def frames(self) -> Iterator[Frame]:
        """The frames. Raises NotFoundError, UnavailableError (a URL) or MediaError."""
        begin, gap, sequence = now_ns(), 0, 0
        while not self._closed.is_set():
            first, last = sequence, begin
            with closing(self._pass(begin, sequence)) as frames:
                for frame in frames:
                    if self._closed.is_set():
                        return
                    yield frame
                    gap, last = frame.time_ns - last, frame.time_ns
                    sequence += 1
                    if sequence == self._limit:
                        return
            if sequence == first:
                raise MediaError("there is no frame in it", where=redacted(self.path), cure="check that it plays")
            if not self._loop:
                return
            begin = last + gap

    def check(self) -> None:
        """Open it and look whether there is video in it; nothing is decoded. Raises as :meth:`frames`."""
        with self._open() as container:
            self._stream(container)

    def close(self) -> None:
        """End ``frames`` after the frame it is at."""
        self._closed.set()

    def _pass(self, begin: int, sequence: int) -> Generator[Frame]:
        with self._open() as container:
            stream = self._stream(container)
            step = 1 / stream.average_rate if stream.average_rate else 1 / 25
            for index, frame in enumerate(self._decoded(container, stream)):
                seconds = frame.time if frame.time is not None else float(index * step)
                time_ns = begin + round(seconds * 1e9)
                yield picture_frame(picture_from_video(frame), sequence + index, time_ns, self._encoding)

    def _open(self) -> InputContainer:
        if Path(self.path).is_fifo():
            cure = "save it to a file, or give its URL"
            raise MediaError("that is a pipe, and a video is read in several places", where=self.path, cure=cure)
        try:
            return no_text(av.open(self.path), self.path)
        except av.error.FFmpegError as error:
            raise input_error(error, self.path, "no video FFmpeg can read") from error

    def _stream(self, container: InputContainer) -> VideoStream:
        if not container.streams.video:
            raise MediaError("there is no video in it", where=redacted(self.path), cure="name a video file")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        small = stream.codec_context.width * stream.codec_context.height <= _ONE_THREAD
        stream.codec_context.thread_count = self._threads if self._threads is not None else int(small)
        return stream

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        count = 0
        try:
            for frame in container.decode(stream):
                yield frame
                count += 1
        except av.error.FFmpegError as error:
            # Frames the decoder's threads still hold came before the break.
            for frame in _rest(stream):
                yield frame
                count += 1
            raise input_error(error, self.path, f"it breaks off after {count} frames") from error
        if _cut_short(container, stream):
            what = f"it breaks off after {count} frames: its index names frames behind the end of the file"
            raise MediaError(what, where=redacted(self.path), cure="send the whole, unchanged file")


def _cut_short(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the last frame of the index lies behind the end. FFmpeg takes a cut between two frames for the end."""
    entries = stream.index_entries
    return len(entries) > 0 and entries[-1].pos + entries[-1].size > container.size > 0


def _rest(stream: VideoStream) -> list[av.VideoFrame]:
    try:
        frames = stream.codec_context.decode(None)
    except av.error.FFmpegError:
        return []
    for frame in frames:
        # Without a packet the decoder does not know in which unit it counts time.
        frame.time_base = stream.time_base or Fraction(1, 90_000)
    return frames
