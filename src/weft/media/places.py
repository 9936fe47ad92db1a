"""A look at what sources read and where sinks write, for whoever wants to know before anything runs.

Nothing is decoded and nothing is written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from weft.core.errors import NotFoundError, OutputError
from weft.media.sinks.text import output_error


def look_at_source(kind: str, path: Path) -> None:
    """Open what a source of type ``kind`` would read. Raises NotFoundError or MediaError when it could not.

    Types that read no file are not looked at, and neither are pipes: who writes into one may come later.
    """
    look = _SOURCES.get(kind)
    if look is not None and not path.is_fifo():
        look(path)


def look_at_sink(kind: str, path: Path) -> None:
    """Whether a sink of type ``kind`` could write there. Raises OutputError when it could not."""
    look = _SINKS.get(kind)
    if look is not None:
        look(path)


def _video(path: Path) -> None:
    from weft.media.sources.video import VideoSource

    VideoSource(path).check()


def _pictures(path: Path) -> None:
    from weft.media.sources.pictures import PicturesSource

    PicturesSource(path).check()


def _lines(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        cure = "name a file that may be read, or '-' for the standard input"
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error


def _file(path: Path) -> None:
    """A file is replaced, or made in a folder that is there."""
    if path.is_dir():
        raise _refused(errno.EISDIR, path)
    if path.exists():
        _writable(path)
        return
    if not path.parent.is_dir():
        raise _refused(errno.ENOTDIR if path.parent.exists() else errno.ENOENT, path)
    _writable(path.parent)


def _directory(path: Path) -> None:
    """A folder is made with all its parents."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    if not path.is_dir():
        raise _refused(errno.ENOTDIR, path)
    _writable(path)


def _writable(path: Path) -> None:
    wanted = os.W_OK | os.X_OK if path.is_dir() else os.W_OK
    if not os.access(path, wanted, effective_ids=True):
        raise _refused(errno.EACCES, path)


def _refused(number: int, path: Path) -> OutputError:
    return output_error(OSError(number, os.strerror(number)), str(path))


_SOURCES: Mapping[str, Callable[[Path], None]] = {"video": _video, "pictures": _pictures, "lines": _lines}
_SINKS: Mapping[str, Callable[[Path], None]] = {"jsonl": _file, "video": _file, "directory": _directory}
