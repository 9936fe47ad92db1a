"""Pictures: opened from bytes, arrays and video frames, decoded when they are first looked at, and then once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from weft.core.errors import MediaError
from weft.core.frame import Frame
from weft.core.picture import Picture, PixelFormat, Pixels
from weft.media.encoding import RAW, encode
from weft.media.headers import check_size, read_header
from weft.media.rasters import ArrayRaster, EncodedRaster, Planes, Raster

if TYPE_CHECKING:
    import av

# Results kept per picture, for functions that ask for what another one just got. The oldest goes.
_MAX_RESULTS = 2

_Result = TypeVar("_Result", Pixels, Planes)


class LazyPicture:
    """A :class:`weft.core.picture.Picture` over a raster. Any number of threads may ask it for pixels at once.

    Width and height are those of the upright picture, after EXIF orientation or a video's display rotation.
    """

    __slots__ = ("_lock", "_raster", "_results", "height", "width")

    def __init__(self, raster: Raster) -> None:
        check_size(*raster.size)
        self.width, self.height = raster.turn.size(*raster.size)
        self._raster = raster
        self._lock = threading.Lock()
        self._results: dict[object, Any] = {}

    def pixels(self, width: int, height: int, pixel_format: PixelFormat = PixelFormat.RGB8) -> Pixels:
        """As :meth:`Picture.pixels`; the array is read-only.

        A JPEG is decoded at the smallest scale that leaves twice the wanted size, unless a larger one was
        decoded before. Raises MediaError when the picture does not decode or the size is beyond reason.
        """
        check_size(width, height)
        turn = self._raster.turn
        stored = turn.size(width, height)

        def make() -> Pixels:
            pixels = turn.apply(self._raster.pixels(*stored, pixel_format)).view()
            pixels.flags.writeable = False
            return pixels

        return self._once((pixel_format, width, height), make)

    def planes(self, width: int, height: int) -> Planes:
        """Red, green and blue on their own, each u8 [height, width], read-only, perhaps views with a step.

        The resize and the errors are those of :meth:`pixels`. For video this saves interleaving.
        """
        check_size(width, height)
        turn = self._raster.turn
        stored = turn.size(width, height)

        def make() -> Planes:
            red, green, blue = self._raster.planes(*stored)
            return turn.apply(red), turn.apply(green), turn.apply(blue)

        return self._once(("planes", width, height), make)

    def encode(self, media_type: str) -> bytes:
        """As :meth:`Picture.encode`; the very bytes it was opened from where they are of that type."""
        original = self._raster.original
        if original and original[0] == media_type:
            return original[1]
        return encode(self.pixels(self.width, self.height), media_type)

    def _once(self, key: object, make: Callable[[], _Result]) -> _Result:
        # The lock also keeps two threads from converting one video frame at once: PyAV changes the
        # frame's colour description while it converts.
        with self._lock:
            found: _Result | None = self._results.get(key)
            if found is None:
                found = make()
                if len(self._results) >= _MAX_RESULTS:
                    del self._results[next(iter(self._results))]
                self._results[key] = found
        return found

    def __repr__(self) -> str:
        return f"LazyPicture({self.width}x{self.height})"


def open_picture(data: bytes, media_type: str = "") -> LazyPicture:
    """The picture in the bytes of a JPEG, PNG, WebP or BMP file; the content decides, not ``media_type``.

    Only the header is read here. Raises MediaError when that is no such file, or the picture is too large.
    """
    return LazyPicture(EncodedRaster(data, read_header(data, media_type)))


def picture_from_array(array: Pixels) -> LazyPicture:
    """A picture over u8 [height, width, 3] RGB, or [height, width] grey, which must not change any more."""
    return LazyPicture(ArrayRaster(array))


def picture_from_video(frame: av.VideoFrame, rotation: int | None = None) -> LazyPicture:
    """A picture over a decoded video frame; ``rotation`` (in degrees) for one that lost its display matrix."""
    from weft.media.video_raster import VideoRaster

    return LazyPicture(VideoRaster(frame, rotation))


def picture_of(frame: Frame) -> Picture:
    """The picture a frame shows: the one it carries, or its payload opened (and kept on the frame).

    Raises MediaError when the payload is no picture.
    """
    if frame.picture is None:
        opened = _raw(frame) if frame.media_type == RAW else open_picture(frame.payload, frame.media_type)
        frame.picture = opened
    return frame.picture


def _raw(frame: Frame) -> LazyPicture:
    try:
        width, height = int(frame.headers["width"]), int(frame.headers["height"])
    except (KeyError, ValueError) as error:
        raise MediaError("a raw picture without its size", cure="set the headers width and height") from error
    if (layout := frame.headers.get("format", "rgb8")) != "rgb8":
        raise MediaError(f"raw pictures of format '{layout}' are not read", cure="send rgb8")
    check_size(width, height)
    if len(frame.payload) != width * height * 3:
        what = f"{len(frame.payload)} bytes are no {width}x{height} rgb8 picture, which has {width * height * 3}"
        raise MediaError(what, cure="send rows of width * 3 bytes without padding")
    return picture_from_array(np.frombuffer(frame.payload, np.uint8).reshape(height, width, 3))
