"""The frame that is being handled, and what it shows. Nothing crosses from the host before it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from weft._backend import Header, Triple, host
from weft.tensor import Tensor

_CHANNELS = {"rgb8": 3, "bgr8": 3, "gray8": 1, "rgb32f": 3}


class Frame:
    """One message of a stream."""

    __slots__ = ("_header", "_payload", "_picture")

    def __init__(self) -> None:
        self._header: Header | None = None
        self._payload: bytes | None = None
        self._picture: Picture | None = None

    @property
    def payload(self) -> bytes:
        """Its bytes."""
        if self._payload is None:
            self._payload = host().frame_payload()
        return self._payload

    def text(self) -> str:
        """Its bytes as UTF-8 text; what is malformed becomes U+FFFD."""
        return host().frame_text() if self._payload is None else self._payload.decode(errors="replace")

    @property
    def stream(self) -> str:
        """The stream it comes on."""
        return self._said.stream

    @property
    def media_type(self) -> str:
        """What the payload is, such as ``image/jpeg``."""
        return self._said.media_type

    @property
    def headers(self) -> Mapping[str, str]:
        """The text values that travel with it."""
        return self._said.headers

    @property
    def sequence(self) -> int:
        """Its number at its source, from 0."""
        return self._said.sequence

    @property
    def time_ns(self) -> int:
        """When its source took it, nanoseconds since the epoch."""
        return self._said.time_ns

    @property
    def picture(self) -> Picture:
        """What it shows. Raises HostError when asked for pixels of a frame that shows nothing."""
        if self._picture is None:
            self._picture = Picture()
        return self._picture

    @property
    def _said(self) -> Header:
        if self._header is None:
            self._header = host().frame_header()
        return self._header

    def __repr__(self) -> str:
        return f"Frame({self.stream!r} #{self.sequence} {self.media_type})"


class Picture:
    """The frame as a picture, which the host decodes once, when something is asked of it."""

    __slots__ = ("_size",)

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as it was taken. Raises HostError when the frame shows nothing."""
        if self._size is None:
            self._size = host().picture_size()
        return self._size

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.size[0]

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.size[1]

    def pixels(self, width: int | None = None, height: int | None = None, format: str = "rgb8") -> Any:  # noqa: A002
        """Its pixels, resized where a size is given: rows of ``rgb8``, ``bgr8``, ``gray8`` or ``rgb32f`` (0..1).

        A numpy array [height, width, channels], not to be written to, where the function imports numpy, else bytes.
        """
        width, height = self._sides(width, height)
        data = host().picture_pixels(width, height, format)
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return data
        values = numpy.frombuffer(data, numpy.float32 if format == "rgb32f" else numpy.uint8)
        channels = _CHANNELS[format]
        return values.reshape((height, width) if channels == 1 else (height, width, channels))

    def tensor(
        self,
        width: int | None = None,
        height: int | None = None,
        layout: str = "nchw",
        dtype: str = "f32",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> Tensor:
        """The picture as a model's input, ``(rgb / 255 - mean) / std``, or raw for u8. It stays with the host."""
        width, height = self._sides(width, height)
        return Tensor._of(host().picture_tensor(width, height, layout, dtype, _triple(mean), _triple(std)))

    def _sides(self, width: int | None, height: int | None) -> tuple[int, int]:
        if width is not None and height is not None:
            return width, height
        if width is None and height is None:
            return self.size
        raise TypeError("give both width and height, or neither")


def _triple(values: Sequence[float] | None) -> Triple | None:
    if values is None:
        return None
    red, green, blue = (float(value) for value in values)
    return red, green, blue
