"""Where text sinks write: a file, or the standard output."""

from __future__ import annotations

import sys
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from weft.core.errors import OutputError

if TYPE_CHECKING:
    from av.error import FFmpegError

_CURES = {
    FileNotFoundError: "make its directory first",
    NotADirectoryError: "check the path: a part of it is a file",
    IsADirectoryError: "name a file, not a directory",
    PermissionError: "choose a place this user may write to",
    BrokenPipeError: "keep the reader running",
}


def output_error(error: OSError | FFmpegError, where: str) -> OutputError:
    """The error for a file that cannot be written, with the cure for the usual reasons."""
    cure = next((text for kind, text in _CURES.items() if isinstance(error, kind)), "check the disk: is it full?")
    return OutputError(f"cannot be written: {error.strerror or error}", where=where, cure=cure)


class TextOut:
    """A text file, or the standard output for "-", whose errors are OutputErrors.

    Args:
        path: the file; it is replaced if it exists.
        flush: hand every line on at once, so that a reader can follow.
    """

    def __init__(self, path: str | PathLike[str], *, flush: bool) -> None:
        self._where = "standard output" if fspath(path) == "-" else fspath(path)
        self._flush = flush
        try:
            self._file = _opened(fspath(path))
        except OSError as error:
            raise output_error(error, self._where) from error

    def line(self, text: str) -> None:
        """Write one line; OutputError when it cannot be written."""
        try:
            self._file.write(text + "\n")
            if self._flush:
                self._file.flush()
        except OSError as error:
            raise output_error(error, self._where) from error

    def close(self) -> None:
        """Flush, and close the file; the standard output stays open."""
        try:
            if self._file is sys.stdout:
                self._file.flush()
            else:
                self._file.close()
        except OSError as error:
            raise output_error(error, self._where) from error


def _opened(path: str) -> TextIO:
    return sys.stdout if path == "-" else Path(path).open("w", encoding="utf-8")
