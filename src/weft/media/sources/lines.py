"""Text, line by line: a file or the standard input, each line one frame."""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Iterator
from contextlib import suppress
from os import PathLike, fspath

from weft.core.clock import now_ns
from weft.core.errors import InputError, NotFoundError
from weft.core.frame import Frame
from weft.media.sources.frames import checked_count

# A line without an end must not fill the memory.
MAX_LINE = 16 * 2**20
_CHUNK = 1 << 16


class LinesSource:
    """The lines of a file or of the standard input, without their ends; blank lines are left out.

    A line that is a JSON object or array has the media type ``application/json``, any other ``text/plain``.

    Args:
        path: the file, or "-" for the standard input.
        limit: stop after so many lines.
    """

    live = False
    length = None

    def __init__(self, path: str | PathLike[str] = "-", *, limit: int | None = None) -> None:
        self.path = fspath(path)
        self._limit = checked_count(limit, "limit")
        self._closed = threading.Event()
        self._wake: int | None = None
        self._lock = threading.Lock()

    def frames(self) -> Iterator[Frame]:
        """The frames. Raises NotFoundError for a file that is not there, InputError for a line over ``MAX_LINE``."""
        sequence = 0
        for line in self._lines():
            if not line.strip():
                continue
            yield Frame(line, media_type=_media_type(line), sequence=sequence, time_ns=now_ns())
            sequence += 1
            if sequence == self._limit:
                return

    def close(self) -> None:
        """End ``frames`` at once, also while it waits for input or for the rest of a line, which is then no frame."""
        self._closed.set()
        with self._lock:
            if self._wake is not None:
                os.write(self._wake, b"x")

    def _lines(self) -> Iterator[bytes]:
        rest: list[bytes] = []  # a line that is not over; joined once, however small its pieces
        size = 0
        for chunk in self._chunks():
            first, *others = chunk.split(b"\n")
            rest.append(first)
            size += len(first)
            if others:
                whole, (*lines, last) = b"".join(rest), others
                yield from (line.removesuffix(b"\r") for line in (whole, *lines))
                rest, size = [last], len(last)
            if size > MAX_LINE:
                what = f"a line is longer than {MAX_LINE // 2**20} MiB"
                raise InputError(what, where=self.path, cure="end lines with a newline")
        if not self._closed.is_set():
            yield b"".join(rest)

    def _chunks(self) -> Iterator[bytes]:
        file = self._open()
        ready, wake = os.pipe()
        with self._lock:
            self._wake = wake
        try:
            # poll, so that close() can end a read that waits for a keyboard or a pipe.
            waiting = select.poll()
            waiting.register(file, select.POLLIN)
            waiting.register(ready, select.POLLIN)
            while not self._closed.is_set():
                if ready in dict(waiting.poll()) or not (chunk := self._read(file)):
                    return
                yield chunk
        finally:
            with self._lock:
                self._wake = None
            for descriptor in (ready, wake, *([file] if self.path != "-" else [])):
                os.close(descriptor)

    def _open(self) -> int:
        try:
            # Not to wait here for whoever will write into a pipe: nobody could end that.
            return 0 if self.path == "-" else os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise self._unreadable(error) from error

    def _read(self, file: int) -> bytes:
        try:
            return os.read(file, _CHUNK)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> NotFoundError:
        cure = "name a file that may be read, or '-' for the standard input"
        return NotFoundError(f"cannot be read: {error.strerror}", where=self.path, cure=cure)


def _media_type(line: bytes) -> str:
    if line.lstrip()[:1] in (b"{", b"["):
        with suppress(ValueError, RecursionError):
            json.loads(line)
            return "application/json"
    return "text/plain"
