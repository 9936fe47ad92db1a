"""What a function says of a frame: values, and how they become payloads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from weft._backend import host
from weft.frame import Frame

JSON = "application/json"
TEXT = "text/plain"
BINARY = "application/octet-stream"


class Emit:
    """A payload, its stream ("" is the function's default output) and its media type ("" for what suits it)."""

    __slots__ = ("media_type", "payload", "stream")

    def __init__(self, payload: Any, stream: str = "", media_type: str = "") -> None:
        self.payload = payload
        self.stream = stream
        self.media_type = media_type

    def __repr__(self) -> str:
        return f"Emit({self.payload!r}, {self.stream!r}, {self.media_type!r})"


def emit(payload: Any, stream: str = "", media_type: str = "") -> None:
    """Emit a dict or list (as JSON), a str, bytes, or the frame itself. Raises HostError, and TypeError for others."""
    if isinstance(payload, Frame):
        host().emit_frame(stream, media_type or payload.media_type)
    elif isinstance(payload, bytes | bytearray | memoryview):
        host().emit(stream, media_type or BINARY, bytes(payload))
    elif isinstance(payload, str):
        host().emit_text(stream, media_type or TEXT, payload)
    elif isinstance(payload, dict | list | tuple):
        host().emit_text(stream, media_type or JSON, json.dumps(payload, default=_plain, allow_nan=False))
    else:
        raise TypeError(f"cannot emit {type(payload).__name__}; give a dict, a list, a str, bytes or the frame")


def answer(result: Any) -> None:
    """Emit what ``handle`` returned: None is nothing; a generator, or a list of Emit, is one after the other."""
    if result is None:
        return
    if isinstance(result, Emit):
        emit(result.payload, result.stream, result.media_type)
    elif isinstance(result, Iterator) or (isinstance(result, list | tuple) and _all_emit(result)):
        for part in result:
            answer(part)
    else:
        emit(result)


def _all_emit(values: Iterable[Any]) -> bool:
    found = [isinstance(value, Emit) for value in values]
    return any(found) and all(found)


def _plain(value: Any) -> Any:
    """What numpy and sets are in JSON."""
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
