"""The kinds of values documents are made of: names, sizes, durations, paths, picture sizes, text."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from weft.core.errors import UsageError
from weft.core.units import format_size, parse_duration, parse_size

_STAGE_NAME = re.compile(r"\w[\w.-]*")
_STREAM_NAME = re.compile(r"[\w.-]+(/[\w.-]+)*")
_STREAM_PATTERN = re.compile(r"[\w.*-]+(/[\w.*-]+)*")
_PICTURE_SIZE = re.compile(r"(\d{1,5}) ?[x×] ?(\d{1,5})")
MAX_NAME = 128
MAX_SIDE = 16_384
MAX_BYTES = 1 << 40
MAX_SECONDS = 86_400.0
MAX_AGE_S = 366 * 86_400.0


class Part(BaseModel):
    """Base of every part of a document: strict values, no unknown keys, unchangeable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def mistake(message: str, cure: str = "") -> PydanticCustomError:
    """What a validator raises: a message in plain words and its cure."""
    return PydanticCustomError("mistake", "{message}", {"message": message, "cure": cure})


def _size(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise mistake("must be a size", "write it like 64MiB")
    try:
        size = parse_size(value)
    except (UsageError, OverflowError):
        raise mistake(f"'{value}' is no size", "write it like 64MiB") from None
    if not 1 <= size <= MAX_BYTES:
        raise mistake(f"must be between 1 byte and {format_size(MAX_BYTES)}, is {value}")
    return size


def _duration(value: Any) -> Any:
    return _seconds(value, MAX_SECONDS, "a day")


def _age(value: Any) -> Any:
    return _seconds(value, MAX_AGE_S, "a year")


def _seconds(value: Any, most: float, most_told: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise mistake("must be a duration", "write it like 200ms")
    try:
        seconds = parse_duration(value)
    except UsageError:
        raise mistake(f"'{value}' is no duration", "write it like 200ms or 1.5s") from None
    if not 0 < seconds <= most:
        raise mistake(f"must be more than nothing and at most {most_told}, is {value}")
    return seconds


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        raise mistake("has no value", 'write "" for an empty text')
    return value


def _stage_name(name: str) -> str:
    if len(name) > MAX_NAME or not _STAGE_NAME.fullmatch(name):
        raise mistake(
            f"'{name[:MAX_NAME]}' is no name", "use letters, digits, '_', '-' and '.', a letter or digit first"
        )
    return name


def is_stream_name(name: str) -> bool:
    """Whether ``name`` can be a stream's: letters, digits, ``_ - .``, parts joined by slashes."""
    return len(name) <= MAX_NAME and _STREAM_NAME.fullmatch(name) is not None


def is_stream_pattern(name: str) -> bool:
    """Whether ``name`` can be a stream's or a pattern: ``*`` within parts, ``**`` as the last part only."""
    fits = len(name) <= MAX_NAME and _STREAM_PATTERN.fullmatch(name) is not None
    return fits and "**" not in name.removesuffix("**") and (not name.endswith("**") or name[-3:-2] in ("", "/"))


def _stream_name(name: str) -> str:
    if not is_stream_name(name):
        raise mistake(f"'{name[:MAX_NAME]}' is no stream name", "use letters, digits, '_-.', parts joined by '/'")
    return name


def _stream_pattern(name: str) -> str:
    if not is_stream_pattern(name):
        cure = "write a name such as cam/front, or a pattern such as cam/* or cam/**"
        raise mistake(f"'{name[:MAX_NAME]}' is no stream name or pattern", cure)
    return name


def _file_path(path: str) -> str:
    if not path or not path.isprintable():
        raise mistake("is no path", "write the path of a file, relative to this document or absolute")
    return path


def picture_size(value: Any) -> Any:
    """Width and height from "640x480"; a mistake for anything else."""
    match = _PICTURE_SIZE.fullmatch(value) if isinstance(value, str) else None
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(0 < side <= MAX_SIDE for side in size):
        raise mistake("is no picture size", "write width x height in pixels, like 640x480")
    return size


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | str)]
"""Bytes, written as "64MiB" or a number."""
Duration = Annotated[float, BeforeValidator(_duration, json_schema_input_type=float | str)]
"""Seconds, written as "200ms" or a number."""
Age = Annotated[float, BeforeValidator(_age, json_schema_input_type=float | str)]
"""Seconds, written as "7d" or a number."""
Text = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool)]
"""Text; a number becomes its decimal form and a boolean "true" or "false"."""
StageName = Annotated[str, AfterValidator(_stage_name)]
"""The key of a source, function or sink."""
StreamName = Annotated[str, AfterValidator(_stream_name)]
"""A stream: parts joined by slashes, such as ``cam/front``."""
StreamPattern = Annotated[str, AfterValidator(_stream_pattern)]
"""A stream, or a pattern: ``*`` stands for anything within one part, ``**`` for any number of parts."""
FilePath = Annotated[str, AfterValidator(_file_path)]
"""A file or folder, relative to the document's own folder unless absolute."""
PictureSize = Annotated[tuple[int, int], BeforeValidator(picture_size, json_schema_input_type=str)]
"""Width and height in pixels, written as "640x480"."""
AsTuple = BeforeValidator(_as_tuple)
"""Put on a ``tuple[X, ...]``: documents hold lists, models hold what cannot change."""
