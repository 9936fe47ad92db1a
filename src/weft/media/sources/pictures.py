"""Picture files: a directory, a pattern or a single file, in the order people expect."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from itertools import count, islice
from os import PathLike, fspath
from pathlib import Path

from weft.core.clock import now_ns
from weft.core.errors import MediaError, NotFoundError
from weft.core.files import read_whole
from weft.core.frame import Frame
from weft.media.headers import sniff
from weft.media.images import open_picture
from weft.media.sources.frames import checked_count

SUFFIXES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
}

MAX_FILE = 256 * 2**20
"""Bytes of one picture's file."""

_MAGIC = re.compile(r"[*?[]")
_DIGITS = re.compile(r"(\d+)")


class PicturesSource:
    """Picture files, one frame each: the payload is the file as it is, the header ``name`` its name.

    Sorted naturally (2.png before 10.png). A file that is no picture still becomes a frame, without a
    ``picture``: whoever looks at it gets the MediaError, and the pipeline's ``on_error`` decides.

    Args:
        path: a directory (its JPEG, PNG, WebP and BMP files), a pattern ("belt/*.png") or one file.
        loop: start again at the end, for ever or until ``limit``.
        limit: stop after so many frames.
    """

    live = False

    def __init__(self, path: str | PathLike[str], *, loop: bool = False, limit: int | None = None) -> None:
        self.path = fspath(path)
        self._loop = loop
        self._limit = checked_count(limit, "limit")
        self._closed = threading.Event()

    @property
    def length(self) -> int | None:
        """The number of files, or ``limit``."""
        if self._loop:
            return self._limit
        return len(self._files()[: self._limit])

    def frames(self) -> Iterator[Frame]:
        """The frames. Raises NotFoundError when there is none or one cannot be read, MediaError when one is huge."""
        files = self._some_files()
        rounds = count() if self._loop else range(1)
        endless = (file for _ in rounds for file in files)
        for sequence, file in enumerate(islice(endless, self._limit)):
            if self._closed.is_set():
                return
            yield _frame(file, sequence)

    def check(self) -> None:
        """Look for files, and into the first: whether it is a picture. Raises NotFoundError and MediaError."""
        files = self._some_files()
        frame = _frame(files[0], 0)
        if frame.picture is None and len(files) == 1:
            open_picture(frame.payload)

    def close(self) -> None:
        """End ``frames`` after the frame it is at."""
        self._closed.set()

    def _some_files(self) -> list[Path]:
        files = self._files()
        if not files:
            kinds = ", ".join(SUFFIXES)
            raise NotFoundError("there are no pictures", where=self.path, cure=f"put files there ending in {kinds}")
        return files

    def _files(self) -> list[Path]:
        path = Path(self.path)
        if path.is_file():
            return [path]
        if path.is_dir():
            found = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
        elif _MAGIC.search(self.path):
            found = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        else:
            raise NotFoundError("no such file or directory", where=self.path, cure="check the path")
        return sorted((file for file in found if file.is_file()), key=_natural)


def _frame(file: Path, sequence: int) -> Frame:
    try:
        data = read_whole(file, MAX_FILE)
    except OSError as error:
        cure = "check its owner and mode"
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(file), cure=cure) from error
    if len(data) > MAX_FILE:
        raise MediaError(f"is over {MAX_FILE // 2**20} MiB", where=str(file), cure="move it elsewhere")
    media_type = sniff(data) or SUFFIXES.get(file.suffix.lower(), "application/octet-stream")
    try:
        picture = open_picture(data, media_type)
    except MediaError:
        picture = None
    return Frame(
        data, media_type=media_type, sequence=sequence, time_ns=now_ns(), headers={"name": file.name}, picture=picture
    )


def _natural(file: Path) -> list[tuple[int, int, str]]:
    parts = _DIGITS.split(str(file).lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]
