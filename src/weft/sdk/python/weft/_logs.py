"""What a function prints and logs goes to its log."""

from __future__ import annotations

import sys
from typing import Any

from weft._backend import host

DEBUG, INFO, WARNING, ERROR = 1, 2, 3, 4
MAX_LINE = 4096
"""Characters of a line; the host keeps no more."""


class LineStream:
    """A text stream each line of which becomes a log line; what has no line end waits for it, or for ``flush``."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def __init__(self, level: int) -> None:
        self._level = level
        self._rest = ""

    def write(self, text: str) -> int:
        """Log the lines that are complete."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, rest = (self._rest + text).split("\n")
        self._rest = rest[:MAX_LINE]
        for line in lines:
            host().log(self._level, line[:MAX_LINE])
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log what waits."""
        rest, self._rest = self._rest, ""
        if rest:
            host().log(self._level, rest)

    def isatty(self) -> bool:
        """No."""
        return False

    def readable(self) -> bool:
        """No."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True


def flush() -> None:
    """Log what was printed without the end of its line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LineStream):
            stream.flush()


def install_logging() -> None:
    """Send records of the ``logging`` module, INFO and up, to the function's log; once."""
    import logging

    root = logging.getLogger()
    if any(getattr(handler, "is_weft", False) for handler in root.handlers):
        return
    handler = _handler(logging)
    handler.is_weft = True
    root.addHandler(handler)
    if root.level == logging.WARNING:  # nobody chose
        root.setLevel(logging.INFO)


def _handler(logging: Any) -> Any:
    class ToHost(logging.Handler):  # type: ignore[misc]  # the module is imported only where it is used
        def emit(self, record: Any) -> None:
            level = 1 + sum(record.levelno >= step for step in (logging.INFO, logging.WARNING, logging.ERROR))
            for line in self.format(record).splitlines():
                host().log(level, line[:MAX_LINE])

    handler = ToHost()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    return handler
