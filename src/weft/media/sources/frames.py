"""What all sources share: frames with pictures, and the check of the options."""

from __future__ import annotations

import re
from typing import Literal, get_args

from weft.core.errors import UsageError
from weft.core.frame import NO_HEADERS, Frame
from weft.core.picture import Picture
from weft.core.suggest import did_you_mean
from weft.media.encoding import RAW
from weft.media.headers import check_size

Encoding = Literal["jpeg", "raw"]
Size = str | tuple[int, int]

_SIZE = re.compile(r"\s*(\d{1,6})\s*[x×]\s*(\d{1,6})\s*")


def picture_frame(picture: Picture, sequence: int, time_ns: int, encoding: Encoding) -> Frame:
    """A frame that carries ``picture``; its payload is encoded when somebody reads it."""
    if encoding == "jpeg":
        return Frame(media_type="image/jpeg", sequence=sequence, time_ns=time_ns, headers=NO_HEADERS, picture=picture)
    headers = {"width": str(picture.width), "height": str(picture.height), "format": "rgb8"}
    return Frame(media_type=RAW, sequence=sequence, time_ns=time_ns, headers=headers, picture=picture)


def checked_encoding(encoding: str) -> Encoding:
    """``encoding`` if it is one; UsageError if not."""
    for known in get_args(Encoding):
        if encoding == known:
            return "jpeg" if known == "jpeg" else "raw"
    cure = did_you_mean(encoding, get_args(Encoding)) or "jpeg or raw"
    raise UsageError(f"no encoding '{encoding}'", cure=cure)


def checked_count(value: int | None, name: str) -> int | None:
    """``value`` if it is None or at least 1; UsageError if not."""
    if value is not None and value < 1:
        raise UsageError(f"{name} is {value}", cure="give at least 1, or leave it out for no limit")
    return value


def checked_rate(value: float, name: str = "fps") -> float:
    """``value`` if it is a possible number of frames per second; UsageError if not."""
    if not 0 < value <= 1000:
        raise UsageError(f"{name} is {value}", cure="give frames per second, above 0 and up to 1000")
    return value


def checked_seconds(value: float, name: str) -> float:
    """``value`` if it is more than nothing and at most a day; UsageError if not."""
    if not 0 < value <= 86_400:
        raise UsageError(f"{name} is {value:g} s", cure="give more than nothing and at most a day")
    return float(value)


def parse_picture_size(size: Size) -> tuple[int, int]:
    """Width and height from "1280x720" or a pair; UsageError for anything else."""
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if isinstance(size, str) and match is None:
        raise UsageError(f"'{size}' is no picture size", cure="write it like 1280x720")
    width, height = (int(match[1]), int(match[2])) if match else (int(size[0]), int(size[1]))
    check_size(width, height)
    return width, height
