"""Quantities people write ("64MiB", "200ms") as numbers, and back."""

from __future__ import annotations

import math
import re

from weft.core.errors import UsageError

_SIZE = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE |= {"k": 2**10, "m": 2**20, "g": 2**30}
_TIME = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zµ]*)\s*", re.IGNORECASE)


def parse_size(text: str | int) -> int:
    """Bytes from "64MiB", "1.5 GB", "4096" or an int; UsageError for anything else."""
    return round(_parse(text, _SIZE, "size", "64MiB"))


def parse_duration(text: str | int | float) -> float:
    """Seconds from "200ms", "1.5s", "2min" or a number of seconds; UsageError for anything else."""
    return _parse(text, _TIME, "duration", "200ms")


def _parse(text: str | int | float, table: dict[str, float] | dict[str, int], kind: str, example: str) -> float:
    match = _QUANTITY.fullmatch(str(text))
    unit = match[2].lower() if match else ""
    if match is None or unit not in table:
        raise UsageError(f"'{text}' is no {kind}", cure=f"write it like {example}")
    if math.isinf(value := float(match[1]) * table[unit]):
        raise UsageError(f"no {kind} can be that large", cure=f"write it like {example}")
    return value


def format_size(size: int) -> str:
    """Bytes as people read them: "512 B", "13.3 MiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def format_duration(seconds: float) -> str:
    """Seconds as people read them: "12 µs", "4.1 ms", "1.5 s", "2 min 5 s"."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.{0 if seconds >= 0.1 else 1}f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"
