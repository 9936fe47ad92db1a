"""``wasi:logging``: lines of the function's log."""

from __future__ import annotations

import logging

from weft.wasm.component.interface import Interface, offered
from weft.wasm.component.types import STRING, Enum

_LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class WasiLogging(Interface):
    """One function. A warning, and worse, is also a reason for people where the frame fails."""

    name = "wasi:logging/logging"
    versions = ("0.1.0-draft",)
    grant = "always there"

    @offered(Enum(tuple(_LEVELS)), STRING, STRING)
    def log(self, level: str, context: str, message: str) -> None:
        """A line; the context stands before it."""
        number = _LEVELS[level]
        text = f"{context}: {message}" if context else message
        if number >= logging.WARNING:
            self.instance.note(text)
        self.instance.log.line(number, text)
