"""The three standard streams: they may be closed, full, or without a reader, and none of that ends in a traceback."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO

from weft.core.errors import OutputError, WeftError

EXIT_BROKEN_PIPE = 141
STANDARD_OUTPUT = "standard output"
NARROWEST = 20
"""Columns; in fewer the library that lays out help never finds an end."""

_GONE = {errno.ENOENT: "the current directory"}
_CURES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in this user's quota",
    errno.EFBIG: "raise this user's limit on file sizes, or write less",
    errno.EIO: "check the disk or device it goes to",
    errno.EBADF: "open it, as in: weft … > results",
}


def hold() -> None:
    """Make the standard streams safe to use.

    One that was closed gets a stand-in: its number would go to the next file that is opened, and what is meant for
    the stream would be written into that. Input is then empty, output fails, errors go nowhere. What the encoding
    of the terminal lacks is written with a backslash.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        if not _is_open(number):
            os.set_inheritable(os.open(os.devnull, flags), True)
    sys.stdin = sys.stdin or _stand_in(0, "r")
    sys.stdout = sys.stdout or _stand_in(1, "w")
    sys.stderr = sys.stderr or _stand_in(2, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if (columns := os.environ.get("COLUMNS", "")).isdecimal() and int(columns) < NARROWEST:
        os.environ["COLUMNS"] = str(NARROWEST)


def finish(code: int) -> int:
    """Hand on what was printed. Returns the exit code: ``code``, or that of a standard output that cannot take it."""
    from weft.cli.output import print_error

    try:
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError) and not code:
            print_error(unwritable(error))
        code = code or (EXIT_BROKEN_PIPE if isinstance(error, BrokenPipeError) else OutputError.exit_code)
    try:
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)
    return code


def discard(stream: TextIO) -> None:
    """What is still in a stream's buffer goes nowhere, where Python would complain about it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def reader_gone(error: BaseException | None) -> bool:
    """Whether an error comes from an output nobody reads any more, as with ``head``."""
    if isinstance(error, OutputError) and error.where == STANDARD_OUTPUT and _nobody_reads(1):
        return True  # a guest was stopped for it
    while error is not None:
        if isinstance(error, BrokenPipeError):
            return True
        error = error.__cause__
    return False


def _nobody_reads(number: int) -> bool:
    watched = select.poll()
    watched.register(number, 0)
    return any(events & select.POLLERR for _, events in watched.poll(0))


def unwritable(error: OSError) -> WeftError:
    """The error for a standard output that is closed or full; an OSError of a file names that."""
    if error.filename is not None:
        where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
        return WeftError(error.strerror or str(error), where=where, cure="check the path, its owner and its mode")
    if error.errno not in _CURES:
        cure = "cd to a folder that is there" if error.errno == errno.ENOENT else "weft doctor looks at this machine"
        return WeftError(error.strerror or str(error), where=_GONE.get(error.errno or 0, ""), cure=cure)
    what = "it is closed" if error.errno == errno.EBADF else f"cannot be written: {error.strerror or error}"
    return OutputError(what, where=STANDARD_OUTPUT, cure=_CURES[error.errno])


def say(text: str) -> None:
    """Text on standard error, if that takes it: what is said there is never the reason to fail."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


class Unfailing:
    """A stream for a library that would fail when it is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if it takes it."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on, if it takes it."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _stand_in(number: int, mode: str) -> TextIO:
    stream = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - a number, for good
    assert isinstance(stream, io.TextIOWrapper)
    return stream
