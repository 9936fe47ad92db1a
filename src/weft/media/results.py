"""What functions say about a picture: boxes and labels in a JSON document, read without trusting it.

::

    {"boxes": [{"label": "bolt", "score": 0.98, "box": [x1, y1, x2, y2]}],
     "labels": [{"label": "tabby", "score": 0.8}]}

Both keys are optional; box corners are relative, 0..1.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

# More than anybody can see in one picture; the rest is counted in ``left_out``.
MAX_ITEMS = 500
_MAX_LABEL = 80


@dataclass(frozen=True, slots=True)
class Box:
    """Something found, and where: corners relative to the picture, 0..1, the first one top left."""

    label: str
    score: float | None
    corners: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """What the whole picture shows."""

    label: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Results:
    """Boxes and labels of one or several documents; ``left_out`` counts entries that made no sense or were too many."""

    boxes: tuple[Box, ...] = ()
    labels: tuple[Label, ...] = ()
    left_out: int = 0

    def __add__(self, other: Results) -> Results:
        return Results(self.boxes + other.boxes, self.labels + other.labels, self.left_out + other.left_out)

    def __bool__(self) -> bool:
        return bool(self.boxes or self.labels)


def parse_json(payload: bytes) -> Any:
    """A guest's JSON as Python data; ValueError for anything else: also NaN, 1e999 and endless nesting."""
    try:
        return json.loads(payload, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_results(document: Any) -> Results:
    """The boxes and labels of a parsed document; empty for one of another form."""
    if not isinstance(document, dict):
        return Results()
    boxes, odd_boxes = _read(document.get("boxes"), _box)
    labels, odd_labels = _read(document.get("labels"), _label)
    return Results(tuple(boxes), tuple(labels), odd_boxes + odd_labels)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


def _read(entries: Any, read: Any) -> tuple[list[Any], int]:
    if not isinstance(entries, list):
        return [], 0
    good = [item for entry in entries[:MAX_ITEMS] if (item := read(entry)) is not None]
    return good, len(entries) - len(good)


def _box(entry: Any) -> Box | None:
    corners = list(_numbers(entry.get("box"))) if isinstance(entry, dict) else []
    if len(corners) != 4:
        return None
    x1, y1, x2, y2 = (min(max(corner, 0.0), 1.0) for corner in corners)
    if x2 < x1 or y2 < y1:
        return None
    return Box(_text(entry), _score(entry), (x1, y1, x2, y2))


def _label(entry: Any) -> Label | None:
    return Label(_text(entry), _score(entry)) if isinstance(entry, dict) and "label" in entry else None


def _text(entry: dict[str, Any]) -> str:
    text = str(entry.get("label", ""))[:_MAX_LABEL]
    return "".join(char if char.isprintable() else "�" for char in text)


def _score(entry: dict[str, Any]) -> float | None:
    return next(_numbers([entry.get("score")]), None)


def _numbers(values: Any) -> Iterator[float]:
    for value in values if isinstance(values, list) else ():
        # Compared, as a whole number may be too large for math.isfinite.
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
            yield float(value)
