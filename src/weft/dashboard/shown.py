"""What a frame looks like on a page: a picture, boxes and labels, or text."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from weft.core.frame import Frame
from weft.core.units import format_size
from weft.media.draw import colour_of
from weft.media.encoding import RAW
from weft.media.headers import read_header, sniff
from weft.media.images import picture_of
from weft.media.results import Box, Label, Results, parse_json, read_results

JPEG = "image/jpeg"

MAX_TEXT = 4096
"""Characters of one text on a page; the rest is left out, and that is told."""

MAX_JSON = 2**20
"""Bytes of a JSON document that is looked into for boxes; a larger one is shown as text."""

_TEXTS = ("text/", "application/json")


class Shot:
    """A picture for browsers. What the frame has encoded is passed on as it is; anything else is encoded once for all.

    Attributes:
        frame: what it shows.
        media_type: of what browsers get.
    """

    __slots__ = ("_encoding", "frame", "media_type")

    def __init__(self, frame: Frame) -> None:
        """Raises MediaError for a payload that browsers should not be given: damaged, or too large to decode."""
        self.frame = frame
        self.media_type = JPEG if frame.media_type == RAW else frame.media_type
        self._encoding: asyncio.Task[bytes] | None = None
        if self._ready:
            self.media_type = read_header(frame.payload, frame.media_type).media_type

    @property
    def _ready(self) -> bool:
        return self.frame.encoded and self.frame.media_type != RAW

    async def body(self) -> bytes:
        """The picture as ``media_type``. Raises MediaError where there is none."""
        if self._ready:
            return self.frame.payload
        if self._encoding is None:
            self._encoding = asyncio.create_task(asyncio.to_thread(self._encode))
        # One viewer that leaves must not end it for the others.
        return await asyncio.shield(self._encoding)

    def _encode(self) -> bytes:
        if self.frame.media_type == RAW:
            return picture_of(self.frame).encode(JPEG)
        return self.frame.payload


def is_picture(frame: Frame) -> bool:
    """Whether browsers can show a frame as a picture."""
    if not frame.media_type.startswith("image/"):
        return False
    return not frame.encoded or frame.media_type == RAW or bool(sniff(frame.payload))


def note(frame: Frame) -> str:
    """A frame that is no picture as JSON: boxes and labels where it has some, else text."""
    told: dict[str, Any] = _identity(frame)
    results = _results(frame)
    if results is not None:
        told["boxes"] = [_box(box) for box in results.boxes]
        told["labels"] = [_label(label) for label in results.labels]
        told["left_out"] = results.left_out
    told["text"] = _text(frame)
    return json.dumps(told)


def head(shot: Shot, number: int, dropped: int) -> bytes:
    """What goes before a picture: its length, and what the page must know of it, as JSON."""
    told = _identity(shot.frame) | {"type": shot.media_type, "number": number, "dropped": dropped}
    text = json.dumps(told).encode()
    return len(text).to_bytes(4, "big") + text


def _identity(frame: Frame) -> dict[str, Any]:
    """What joins results to pictures. Times are milliseconds since the epoch."""
    return {
        "stream": frame.stream,
        "source": frame.source,
        "sequence": frame.sequence,
        "time": frame.time_ns / 1e6,
    }


def _results(frame: Frame) -> Results | None:
    """None for a document that has neither boxes nor labels."""
    if frame.media_type != "application/json" or len(frame.payload) > MAX_JSON:
        return None
    try:
        document = parse_json(frame.payload)
    except ValueError:
        return None
    if not isinstance(document, dict) or not {"boxes", "labels"} & document.keys():
        return None
    return read_results(document)


def _box(box: Box) -> dict[str, Any]:
    return {"label": box.label, "score": box.score, "box": box.corners, "colour": _colour(box.label)}


def _label(label: Label) -> dict[str, Any]:
    return {"label": label.label, "score": label.score, "colour": _colour(label.label)}


def _colour(label: str) -> str:
    """As in annotated video: the same label has the same colour everywhere."""
    return "#{:02x}{:02x}{:02x}".format(*colour_of(label))


def _text(frame: Frame) -> str:
    size = len(frame.payload)
    if not frame.media_type.startswith(_TEXTS):
        return f"{frame.media_type or 'no media type'}, {format_size(size)}"
    # UTF-8 has at most four bytes a character; no more of a large payload is looked at.
    text = frame.payload[: 4 * MAX_TEXT].decode(errors="replace")
    return text if size <= MAX_TEXT else f"{text[:MAX_TEXT]} … ({format_size(size)} in all)"
