"""The engine's own words, short: the line of a long message that says what is wrong."""

from __future__ import annotations

import re

_MOST = 300
_NOISE = (
    re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : "),
    re.compile(r"^(Exception from|Check '.*' failed at) \S+:\d+:?$"),
    re.compile(r"^FrontEnd API failed with \w+:$"),
    re.compile(r"^Load model from .* failed:"),
    re.compile(r"^Exception during (loading|initialization): "),
    re.compile(r"\S+\.(cc|h|cpp|hpp):\d+ ?"),
)


def reason(error: BaseException) -> str:
    """The first line of an engine's message that says something, without its source files and codes."""
    for line in str(error).splitlines():
        text = line.strip()
        for noise in _NOISE:
            text = noise.sub("", text).strip()
        if text:
            return text if len(text) <= _MOST else f"{text[:_MOST]}…"
    return type(error).__name__
