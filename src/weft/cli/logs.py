"""Where log lines go: text for people, JSON lines for machines; always standard error."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

from weft.core.text import visible


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """time, level, logger and message."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)


class Text(logging.Formatter):
    """One line per record, in which nothing steers the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Level, logger and message."""
        return visible(super().format(record), keep="\n\t")


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever is standard error at that moment: a live table puts itself in between."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute there
        """Standard error now."""
        return sys.stderr


def configure(level: str, form: str) -> None:
    """Send Weft's log to standard error, as ``text`` or ``json``."""
    handler = _Stderr()
    text = Text("%(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logger = logging.getLogger("weft")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
