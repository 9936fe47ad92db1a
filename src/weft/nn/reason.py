"""The engine's own words, short: what is left of a long message without its source files and codes."""

from __future__ import annotations

import re

_MOST = 300
_NOISE = (
    re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : "),
    re.compile(r"^(Exception from|Check '.*' failed at) \S+:\d+:?$"),
    re.compile(r"^FrontEnd API failed with \w+:$"),
    re.compile(r"^Load model from .* failed:"),
    re.compile(r"^Exception during (loading|initialization): "),
    re.compile(r"^(Summary:|To facilitate the conversion of unsupported operations, .*|Please check that .*)$"),
    re.compile(r"\S+\.(cc|h|cpp|hpp):\d+ ?"),
)


def reason(error: BaseException) -> str:
    """An engine's message on one line, at most 300 characters of it; the error's class where it says nothing."""
    text = " ".join(filter(None, map(_cleaned, str(error).splitlines()))) or type(error).__name__
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _cleaned(line: str) -> str:
    text = line.strip()
    for noise in _NOISE:
        text = noise.sub("", text).strip()
    return text
