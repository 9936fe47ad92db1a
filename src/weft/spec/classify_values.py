"""The kinds of values a classifier's document is made of: words in any case, picture sizes, means and deviations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from weft.spec.values import MAX_SIDE, mistake, picture_size

FORMATS: Mapping[str, str] = {
    "tensorflow-lite": "tflite",
    "tensorflowlite": "tflite",
    "lite": "tflite",
    "tf": "tensorflow",
    "frozen": "tensorflow",
    "saved_model": "savedmodel",
    "ir": "openvino",
}
"""Other names of model formats."""

_ENGINES = ("onnxruntime", "litert")
_SIDES = {"width", "height"}


def word(value: Any) -> Any:
    """A word in lower case."""
    return value.lower() if isinstance(value, str) else value


def format_word(value: Any) -> Any:
    """A model's format by any of its names; an engine's name is told apart."""
    name = word(value)
    if name in _ENGINES:
        raise mistake(f"'{value}' is an engine, no format", f"say engine: {name}, and leave type out")
    return FORMATS.get(name, name) if isinstance(name, str) else name


def layout_word(value: Any) -> Any:
    """A layout, with or without the letter for the batch."""
    name = word(value)
    return f"n{name}" if name in ("chw", "hwc") else name


def pixel_word(value: Any) -> Any:
    """A pixel type; ``gray`` and ``grey`` are luma."""
    name = word(value)
    if isinstance(name, str) and name[:4] in ("gray", "grey"):
        return f"luma{name[4:]}"
    return name


def _input_size(value: Any) -> Any:
    if isinstance(value, str):
        return picture_size(value)
    if isinstance(value, Mapping) and set(value) == _SIDES:
        value = [value["width"], value["height"]]
    sides = [value, value] if isinstance(value, int) else value
    if not isinstance(sides, list) or len(sides) != 2 or not all(map(_is_side, sides)):
        raise mistake("is no picture size", "write width x height in pixels, like 224x224, or 224 for a square")
    return tuple(sides)


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_SIDE


def _per_channel(value: Any, least: str) -> tuple[float, ...]:
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise mistake("must be a number, or a list of three", f"write it like {least}")
    if len(numbers) not in (1, 3):
        raise mistake(f"has {len(numbers)} values", "give one, or one per channel")
    for number in numbers:
        if not math.isfinite(number):
            raise mistake("must be finite", f"write it like {least}")
        if abs(number) > 1:
            cure = f"divide by 255: {', '.join(f'{each / 255:.4g}' for each in numbers)}"
            raise mistake(f"counts in units of 0 to 1, and {number:g} is beyond", cure)
    return tuple(map(float, numbers))


def _mean(value: Any) -> Any:
    return _per_channel(value, "[0.485, 0.456, 0.406]")


def _std(value: Any) -> Any:
    numbers = _per_channel(value, "[0.229, 0.224, 0.225]")
    if 0.0 in numbers:
        raise mistake("must not be 0: it is divided by", "leave it out, or write 1, to divide by nothing")
    return numbers


InputSize = Annotated[tuple[int, int], BeforeValidator(_input_size, json_schema_input_type=str | int | list[int])]
"""Width and height, written as "224x224", ``[224, 224]``, ``{width: 224, height: 224}`` or ``224``."""
Mean = Annotated[tuple[float, ...], BeforeValidator(_mean, json_schema_input_type=float | list[float])]
"""One number or three, in units of 0 to 1."""
Std = Annotated[tuple[float, ...], BeforeValidator(_std, json_schema_input_type=float | list[float])]
"""One number or three, in units of 0 to 1, none of them 0."""
