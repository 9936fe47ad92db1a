"""The ``weft`` host module: the frame, its picture, what the function emits, its config and its log."""

from __future__ import annotations

import struct
from typing import ClassVar

import numpy as np

from weft.core.dtypes import DTYPES
from weft.core.errors import OutputLimitError
from weft.core.model import Layout
from weft.wasm.guard import Kind, Refusal
from weft.wasm.host.base import HostModule, exported
from weft.wasm.memory import GuestMemory
from weft.wasm.native import Stop
from weft.wasm.pictures import FORMATS, fill_pixels, fill_tensor, picture_of, pixels_size, tensor_size
from weft.wasm.told import config_value, log_line
from weft.wasm.trace_words import number_words

_FLOATS = struct.Struct("<3f")
_SIZE = struct.Struct("<2I")
_LAYOUTS: tuple[Layout, Layout] = ("nhwc", "nchw")
_DTYPES = {row.nn_new: row for row in DTYPES if row.nn_new is not None}


def _three_words(memory: GuestMemory, ptr: int) -> str:
    return "({:g}, {:g}, {:g})".format(*memory.unpack(_FLOATS, ptr)) if ptr else "none"


_WORDS = {
    "pixel_format": number_words(dict(enumerate(FORMATS))),
    "layout": number_words(dict(enumerate(_LAYOUTS))),
    "dtype": number_words(_DTYPES),
    "mean_ptr": _three_words,
    "std_ptr": _three_words,
    "level": number_words(dict(enumerate(("trace", "debug", "info", "warn", "error")))),
}


class WeftHost(HostModule):
    """Weft's own host functions (reactor ABI). A count or 0 on success, a negative errno on failure."""

    name = "weft"
    grant = "always there"
    takes_frame = True
    words = _WORDS
    errno: ClassVar[dict[Kind, int]] = {
        "invalid": -1,
        "not_found": -2,
        "too_small": -3,
        "too_large": -3,
        "denied": -4,
        "unsupported": -5,
        "encoding": -6,
        "busy": -6,
        "failed": -6,
    }

    # --- the frame ---------------------------------------------------------------------

    @exported("() -> (i32)")
    def frame_size(self) -> int:
        """Bytes of the payload."""
        return len(self.instance.frame.payload)

    @exported("(i32 i32 i32) -> (i32)")
    def frame_read(self, ptr: int, cap: int, offset: int) -> int:
        """Copy the payload from ``offset``; the bytes copied."""
        part = memoryview(self.instance.frame.payload)[offset & 0xFFFFFFFF :][: cap & 0xFFFFFFFF]
        self.memory.write(ptr, part)
        return len(part)

    @exported("(i32 i32) -> (i32)")
    def frame_stream(self, ptr: int, cap: int) -> int:
        """The stream's name."""
        return self._text(self.instance.frame.stream, ptr, cap)

    @exported("(i32 i32) -> (i32)")
    def frame_media_type(self, ptr: int, cap: int) -> int:
        """The payload's media type."""
        return self._text(self.instance.frame.media_type, ptr, cap)

    @exported("(i32 i32 i32 i32) -> (i32)")
    def frame_header(self, name_ptr: int, name_len: int, ptr: int, cap: int) -> int:
        """A header's value; not found (-2) is no defect and leaves no note."""
        value = self.instance.frame.header(self.memory.text(name_ptr, name_len))
        if value is None:
            raise Refusal("not_found")
        return self._text(value, ptr, cap)

    @exported("() -> (i64)")
    def frame_sequence(self) -> int:
        """The frame's number at its source."""
        return self.instance.frame.sequence

    @exported("() -> (i64)")
    def frame_time(self) -> int:
        """Nanoseconds since the epoch."""
        return self.instance.frame.time_ns

    # --- the picture -------------------------------------------------------------------

    @exported("(i32) -> (i32)")
    def image_size(self, size_out: int) -> None:
        """Width and height as two u32."""
        picture = picture_of(self.instance)
        self.memory.write(size_out, _SIZE.pack(picture.width, picture.height))

    @exported("(i32 i32 i32 i32 i32) -> (i32)")
    def image_read(self, width: int, height: int, pixel_format: int, ptr: int, room: int) -> None:
        """The picture resized, as u8 (formats 0 to 2) or f32 0..1 (format 3)."""
        out = self._target(width, height, pixels_size(width, height, pixel_format), ptr, room)
        fill_pixels(self.instance, width, height, pixel_format, out)

    @exported("(i32 i32 i32 i32 i32 i32 i32 i32) -> (i32)")
    def image_tensor(
        self, width: int, height: int, layout: int, dtype: int, mean_ptr: int, std_ptr: int, ptr: int, room: int
    ) -> None:
        """The picture as a tensor: ``(rgb / 255 - mean) / std``, or raw u8."""
        row = _DTYPES.get(dtype)
        if row is None or layout not in {0, 1}:
            raise Refusal("invalid", f"no layout {layout} with dtype {dtype}; layout 0 NHWC, 1 NCHW")
        out = self._target(width, height, tensor_size(width, height, row), ptr, room)
        mean = self.memory.unpack(_FLOATS, mean_ptr) if mean_ptr else None
        std = self.memory.unpack(_FLOATS, std_ptr) if std_ptr else None
        fill_tensor(self.instance, width, height, _LAYOUTS[layout], row, mean, std, out)

    # --- what the function says --------------------------------------------------------

    @exported("(i32 i32 i32 i32 i32 i32) -> (i32)")
    def emit(self, stream_ptr: int, stream_len: int, media_ptr: int, media_len: int, ptr: int, length: int) -> None:
        """Emit a frame. Going over the output limits ends the guest."""
        stream = self.memory.text(stream_ptr, stream_len)
        media_type = self.memory.text(media_ptr, media_len) or "application/octet-stream"
        payload = self.memory.view(ptr, length)
        emitted = self.instance.emitted
        try:
            emitted.check(stream, media_type, payload.size)
        except OutputLimitError as error:
            self.instance.stop(error)
            raise Stop from None
        emitted.add(self.instance.frame.derive(payload.tobytes(), media_type=media_type, stream=stream))

    @exported("(i32 i32 i32 i32) -> (i32)")
    def config_get(self, key_ptr: int, key_len: int, ptr: int, cap: int) -> int:
        """A config value; not found (-2) leaves a note only where a key was nearly right."""
        return self._text(config_value(self.instance, self.memory.text(key_ptr, key_len)), ptr, cap)

    @exported("(i32 i32 i32) -> ()")
    def log(self, level: int, ptr: int, length: int) -> None:
        """A log line."""
        log_line(self.instance, level, self.memory.text(ptr, length))

    # --- helpers -----------------------------------------------------------------------

    def _text(self, text: str, ptr: int, cap: int) -> int:
        """Write a text if it fits; its length either way."""
        data = text.encode()
        if len(data) <= cap & 0xFFFFFFFF:
            self.memory.write(ptr, data)
        return len(data)

    def _target(
        self, width: int, height: int, needed: int, ptr: int, length: int
    ) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        if length & 0xFFFFFFFF != needed:
            kind: Kind = "too_small" if length & 0xFFFFFFFF < needed else "invalid"
            raise Refusal(kind, f"a buffer of {length & 0xFFFFFFFF} bytes, and {width} x {height} needs {needed}")
        return self.memory.view(ptr, length)
