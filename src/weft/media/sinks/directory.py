"""Each frame as a file of its own."""

from __future__ import annotations

import re
from contextlib import suppress
from os import PathLike, fspath
from pathlib import Path

from weft.core.frame import Frame
from weft.media.sinks.text import output_error

EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/x-raw": "rgb",
    "application/json": "json",
    "text/plain": "txt",
}

_UNSAFE = re.compile(r"[^\w.-]+")


class DirectorySink:
    """Files named ``00000012-stream.jpg``: sequence, stream, and an extension by media type ("bin" for unknown ones).

    A second frame of the same stream and sequence gets ``-2`` and so on. A file appears whole or not at all; files of
    an earlier run with the same name are replaced.

    Args:
        path: the directory; it is made if it is not there.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(fspath(path))
        self._last: dict[tuple[str, str], tuple[int, int]] = {}
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(error, str(self._path)) from error

    def write(self, frame: Frame) -> None:
        """Write one file; OutputError when it cannot be written."""
        target = self._path / self._name(frame)
        part = target.with_name(target.name + ".part")
        try:
            part.write_bytes(frame.payload)
            part.replace(target)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise output_error(error, str(target)) from error

    def close(self) -> None:
        """Nothing: every file is finished when ``write`` returns."""

    def _name(self, frame: Frame) -> str:
        stream, source = _safe(frame.stream), _safe(frame.source)
        sequence, count = self._last.get((stream, source), (-1, 0))
        count = count + 1 if sequence == frame.sequence else 1
        self._last[stream, source] = (frame.sequence, count)
        # Two sources count alike: what one stream carries of both must not share a name.
        parts = [f"{frame.sequence:08d}", stream, "" if source == stream else source, str(count) if count > 1 else ""]
        return f"{'-'.join(filter(None, parts))}.{EXTENSIONS.get(frame.media_type, 'bin')}"


def _safe(name: str) -> str:
    """A name as part of a file's name."""
    return _UNSAFE.sub("_", name).strip(".")[:100]
