"""Where text sinks write: a file, or the standard output."""

from __future__ import annotations

import errno
import os
import sys
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from weft.core.errors import OutputError

if TYPE_CHECKING:
    from av.error import FFmpegError

_CURES = {
    errno.ENOENT: "make its directory first",
    errno.ENOTDIR: "check the path: a part of it is a file",
    errno.EISDIR: "name a file, not a directory",
    errno.EACCES: "choose a place this user may write to",
    errno.EROFS: "choose a place that is not read-only",
    errno.EPIPE: "keep the reader running",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in this user's quota",
    errno.EFBIG: "raise this user's limit on file sizes, or write less",
}


def output_error(error: OSError | FFmpegError, where: str) -> OutputError:
    """The error for a file that cannot be written, with the cure for the usual reasons."""
    cure = _CURES.get(error.errno or 0, "try another path, or other options")
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
            self._write(text + "\n")
            if self._flush:
                self._file.flush()
        except OSError as error:
            raise output_error(error, self._where) from error

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
        except UnicodeEncodeError:
            # Half a surrogate pair from a guest, or a terminal that knows no more than ASCII. In JSON the escape
            # with a backslash means the very character.
            encoding = self._file.encoding
            self._file.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def close(self) -> None:
        """Flush, and close the file; the standard output stays open. OutputError also if somebody removed the file."""
        try:
            if self._file is sys.stdout:
                self._file.flush()
                return
            with self._file:
                removed = os.fstat(self._file.fileno()).st_nlink == 0
        except OSError as error:
            raise output_error(error, self._where) from error
        if removed:
            cure = "leave the file where it is until the end"
            raise OutputError("it was removed while it was written", where=self._where, cure=cure)


def _opened(path: str) -> TextIO:
    return sys.stdout if path == "-" else Path(path).open("w", encoding="utf-8")
