"""Frames as JSON lines: one document per frame, for programs."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from os import PathLike
from typing import Any, Literal

from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.media.results import parse_json
from weft.media.sinks.text import TextOut

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class JsonlSink:
    """One JSON document per frame and line: stream, sequence, time, media_type, headers (if any), and one of

    - ``payload``: the document, for valid JSON; the text, for UTF-8 text;
    - ``width`` and ``height``, for a frame with a picture (it is not encoded for this);
    - ``size`` in bytes, or ``base64`` where ``binary`` asks for it, for anything else.

    Args:
        path: the file (replaced if it exists), or "-" for the standard output.
        binary: what to write of payloads that are neither JSON nor text, pictures included: "size" or "base64".
        flush: "frame" hands every line on at once; "close" leaves it to the buffer, which is faster.
    """

    def __init__(
        self,
        path: str | PathLike[str] = "-",
        *,
        binary: Literal["size", "base64"] = "size",
        flush: Literal["frame", "close"] = "frame",
    ) -> None:
        _one_of("binary", binary, ("size", "base64"))
        _one_of("flush", flush, ("frame", "close"))
        self._base64 = binary == "base64"
        self._out = TextOut(path, flush=flush == "frame")

    def write(self, frame: Frame) -> None:
        """Write one frame; OutputError when the file cannot take it."""
        self._out.line(_ENCODE(self.document(frame)))

    def close(self) -> None:
        """Flush and close."""
        self._out.close()

    def document(self, frame: Frame) -> dict[str, Any]:
        """The frame as plain data."""
        head: dict[str, Any] = {
            "stream": frame.stream,
            **({"source": frame.source} if frame.source else {}),
            "sequence": frame.sequence,
            "time": _time(frame.time_ns),
            "media_type": frame.media_type,
        }
        if frame.headers:
            head["headers"] = dict(frame.headers)
        return head | self._body(frame)

    def _body(self, frame: Frame) -> dict[str, Any]:
        if frame.picture is not None and not self._base64:
            return {"width": frame.picture.width, "height": frame.picture.height}
        textual = frame.media_type == "application/json" or frame.media_type.startswith("text/")
        if textual:
            try:
                return {"payload": _parsed(frame)}
            except ValueError:
                pass
        if self._base64:
            return {"base64": b64encode(frame.payload).decode()}
        return {"size": len(frame.payload)}


def _parsed(frame: Frame) -> Any:
    if frame.media_type == "application/json":
        try:
            return parse_json(frame.payload)
        except ValueError:
            pass
    return frame.payload.decode()


def _time(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9 // 1000:06d}Z"


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{name} is '{value}'", cure=" or ".join(choices))
