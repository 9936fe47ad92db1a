"""What the API asks of the form it runs in. ``_stdio`` and ``_component`` each implement it once.

Values are as plain as they come, so that either form can carry them cheaply. A method that the host refuses raises
:class:`weft.errors.HostError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Triple = tuple[float, float, float]


class Header(NamedTuple):
    """What a frame says of itself besides its payload."""

    stream: str
    media_type: str
    headers: Mapping[str, str]
    sequence: int
    time_ns: int


class Held(NamedTuple):
    """A tensor that the host holds: its dtype ("f32", "u8", …), its shape, and what the form knows it by."""

    dtype: str
    shape: tuple[int, ...]
    key: Any


class Backend(Protocol):
    """One form's way to the host. One thread uses it; there is one frame at a time."""

    # the frame

    def frame_header(self) -> Header:
        """The current frame's header."""

    def frame_payload(self) -> bytes:
        """The current frame's payload; the API asks once for each frame, and only when the function does."""

    def frame_text(self) -> str:
        """The payload as UTF-8, what is malformed replaced by U+FFFD."""

    # its picture

    def picture_size(self) -> tuple[int, int]:
        """Width and height."""

    def picture_pixels(self, width: int, height: int, pixel_format: str) -> bytes:
        """Rows of pixels: "rgb8", "bgr8", "gray8" or "rgb32f"."""

    def picture_tensor(
        self, width: int, height: int, layout: str, dtype: str, mean: Triple | None, std: Triple | None
    ) -> Held:
        """The picture as a tensor that stays with the host; layout "nchw" or "nhwc"."""

    # tensors

    def tensor_new(self, dtype: str, shape: Sequence[int], data: bytes | memoryview) -> Held:
        """A tensor of these bytes (C order, little endian)."""

    def tensor_bytes(self, tensor: Held) -> bytes:
        """Its elements (C order, little endian)."""

    def tensor_top(self, tensor: Held, count: int) -> list[tuple[int, float]]:
        """Index (in C order) and value of the largest elements, largest first; ties by index; no NaN."""

    def tensor_free(self, tensor: Held) -> None:
        """The function has dropped it. Must not raise, as it is called by the collector."""

    # models

    def model_load(self, name: str) -> Any:
        """A granted model; what the form knows it by."""

    def model_run(self, model: Any, inputs: Sequence[tuple[str, Held]]) -> list[tuple[str, Held]]:
        """One inference. An input named "" is the one by its place; outputs by name, in the model's order."""

    # what the function says

    def emit(self, stream: str, media_type: str, payload: bytes | memoryview) -> None:
        """Emit bytes; "" is the default output."""

    def emit_text(self, stream: str, media_type: str, text: str) -> None:
        """Emit a text."""

    def emit_frame(self, stream: str, media_type: str) -> None:
        """Emit the current frame's own payload."""

    def log(self, level: int, text: str) -> None:
        """A log line: 0 trace, 1 debug, 2 info, 3 warning, 4 error. Never raises."""

    # what the pipeline says to it, and what it keeps

    def config(self) -> Mapping[str, str]:
        """All config values; asked for once."""

    def state_get(self, key: str) -> bytes | None:
        """A kept value, None where there is none."""

    def state_put(self, key: str, value: bytes) -> None:
        """Keep a value."""

    def state_delete(self, key: str) -> None:
        """Forget a value; nothing happens where there is none."""

    # the network

    def fetch(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """A request, where its host is granted: status, headers and body of the response."""


_current: list[Backend] = []


def use(backend: Backend) -> None:
    """Make this the backend, once, before any function code runs."""
    _current[:] = [backend]


def host() -> Backend:
    """The backend in use."""
    if not _current:
        raise RuntimeError("this weft is the one for functions: `weft run FILE.py` runs the file in the sandbox")
    return _current[0]
