"""What a page says to the server: small JSON messages, read without trusting them."""

from __future__ import annotations

import json
import math
from typing import Any

from weft.core.clock import monotonic, now_ns
from weft.core.errors import InputError
from weft.dashboard.tally import MAX_STREAMS
from weft.dashboard.viewer import Viewer

MAX_MESSAGE = 16 * 1024
"""Bytes of one message from a page."""

MAX_RATE = 4000
"""Messages a second from one page. One that draws 64 streams at 30 frames a second sends half of that."""


class Reader:
    """Reads the messages of one page, and does what they say."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._second = 0
        self._count = 0

    def take(self, text: str) -> None:
        """One message. Raises InputError for one that makes no sense, and for too many."""
        self._pace()
        try:
            said = json.loads(text)
            kind = said["type"]
            if kind == "drawn":
                self._viewer.drawn(_text(said["stream"]), _number(said["number"]))
            elif kind == "noted":
                self._viewer.noted(_number(said["number"]))
            elif kind == "ping":
                self._viewer.tell("pong", _pong(said["at"]))
            elif kind == "pause":
                self._viewer.pause(map(_text, said["streams"][:MAX_STREAMS]), hidden=bool(said["hidden"]))
            else:
                raise ValueError(kind)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InputError("no message of a page") from error

    def _pace(self) -> None:
        second = int(monotonic())
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        if self._count > MAX_RATE:
            raise InputError(f"more than {MAX_RATE} messages a second")


def _pong(at: Any) -> str:
    """The page's own time back, and this clock's, in milliseconds: from both it learns how the clocks differ."""
    if not isinstance(at, (int, float)) or not math.isfinite(at):
        raise ValueError("no time")
    return json.dumps({"type": "pong", "at": at, "now": now_ns() / 1e6})


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError("no number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
