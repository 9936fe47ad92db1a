"""Frames as lines people read, on the standard output."""

from __future__ import annotations

import json
from typing import Any

from weft.core.frame import Frame
from weft.core.text import visible
from weft.core.units import format_size
from weft.media.results import Box, Label, parse_json, read_results
from weft.media.sinks.text import TextOut

MAX_WIDTH = 200
_MAX_ITEMS = 5


class ConsoleSink:
    """One line per frame: its number, its stream, and what it holds, shortened to fit.

    Boxes and labels are shown as such, other JSON and text as it is, anything else by type and size.
    Control characters are made visible, so that no guest can play with the terminal.

    Args:
        path: "-" for the standard output, or a file.
    """

    def __init__(self, *, path: str = "-") -> None:
        self._out = TextOut(path, flush=True)

    def write(self, frame: Frame) -> None:
        """Print one frame; OutputError when nobody reads any more."""
        said = _shortened(visible(summary(frame)[: 4 * MAX_WIDTH], keep=""))
        self._out.line(f"#{frame.sequence:<6} {visible(frame.stream)}  {said}")

    def close(self) -> None:
        """Flush."""
        self._out.close()


def summary(frame: Frame) -> str:
    """What a frame holds, in a few words."""
    if frame.picture is not None:
        return f"{frame.media_type} {frame.picture.width}x{frame.picture.height}"
    if frame.media_type == "application/json":
        try:
            return _json(parse_json(frame.payload))
        except ValueError:
            pass
    elif frame.media_type.startswith("text/"):
        return frame.payload[: 4 * MAX_WIDTH].decode(errors="replace").strip()
    return f"{frame.media_type} {format_size(len(frame.payload))}"


def _json(document: Any) -> str:
    results = read_results(document)
    if not results:
        return json.dumps(document, ensure_ascii=False, separators=(", ", ": "))
    items: list[Box | Label] = [*results.labels[:_MAX_ITEMS], *results.boxes[:_MAX_ITEMS]]
    parts = [_item(item) for item in items]
    more = len(results.labels) + len(results.boxes) - len(parts)
    return ", ".join([*parts, f"and {more} more"] if more else parts)


def _item(item: Box | Label) -> str:
    words = item.label if item.score is None else f"{item.label} {item.score:.2f}"
    if isinstance(item, Label):
        return words
    return f"{words} [{' '.join(f'{corner:.2f}' for corner in item.corners)}]"


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1] + "…"
