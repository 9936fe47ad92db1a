"""A blob while it comes in: a file of its own, which a cut leaves for the next try, and which becomes the blob."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from weft.artifacts.digest import PIECE, short
from weft.artifacts.disk import still_named, sync_folder, told, unwritable
from weft.core.errors import InputError, OutputError
from weft.core.units import format_size

SPARE = 16 << 20
"""Bytes of the disk that a blob must leave free: a full disk stops more than Weft."""

READ_ONLY = 0o444


class Incoming:
    """Takes a blob's bytes in order and makes a blob of them once they are all there and right.

    Use it in a ``with`` statement: without :meth:`commit` the bytes stay in the partial file, for the next try.

    Attributes:
        offset: how many bytes are there, from an earlier try or this one.
    """

    def __init__(self, partial: Path, target: Path, digest: str, size: int) -> None:
        """Raises BlockingIOError while somebody else is receiving it, and OutputError."""
        self._partial, self._target = partial, target
        self._digest, self._size = digest, size
        self._hash = hashlib.sha256()
        self.offset = 0
        with told(partial):
            self._file = _open(partial)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not still_named(self._file, partial):
                raise BlockingIOError  # it became the blob just now
            self._resume()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    @property
    def missing(self) -> int:
        """Bytes that are still to come."""
        return self._size - self.offset

    def write(self, pieces: Sequence[bytes]) -> None:
        """Take the next bytes. Raises InputError for more than were announced, OutputError for a full disk."""
        count = sum(map(len, pieces))
        if count > self.missing:
            self.discard()
            what = f"more than the {self._size} bytes that were announced came"
            raise InputError(what, where=short(self._digest), cure="the server is at fault: tell who runs it")
        for piece in pieces:
            self._hash.update(piece)
            self._write(piece)
        self.offset += count

    def _write(self, piece: bytes) -> None:
        view = memoryview(piece)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self.discard()
            raise unwritable(error, self._partial) from error

    def restart(self) -> None:
        """Begin anew: what is there is of no use. Raises OutputError."""
        with told(self._partial):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
        self._hash, self.offset = hashlib.sha256(), 0

    def sync(self) -> None:
        """Have the disk take what is there, so that little is left to do at the end. Raises OutputError."""
        with told(self._partial):
            os.fdatasync(self._file)

    def discard(self) -> None:
        """Give up what is there."""
        with suppress(OSError):
            self._partial.unlink()

    @property
    def right(self) -> bool:
        """Whether all is there and has the digest."""
        return not self.missing and f"sha256:{self._hash.hexdigest()}" == self._digest

    def commit(self) -> None:
        """Make it the blob. Raises InputError where it is not what its digest says, and OutputError."""
        if not self.right:
            self.discard()
            found = f"sha256:{self._hash.hexdigest()}"
            what = f"its digest is {found}, not {self._digest}" if not self.missing else "it is not all there"
            raise InputError(what, where=short(self._digest), cure="it was changed on its way or where it is kept")
        with told(self._target):
            os.fchmod(self._file, READ_ONLY)
            os.fsync(self._file)
            self._partial.replace(self._target)
            sync_folder(self._target.parent)

    def check_room(self) -> None:
        """Raises OutputError where the disk has no room for the rest, before anything of it is fetched."""
        with told(self._partial):
            free = shutil.disk_usage(self._partial.parent).free
        if self.missing + SPARE > free:
            what = f"{format_size(self.missing)} are to come, and the disk has {format_size(free)} left"
            self.discard()
            cure = "make room with weft cache gc, or name another place: WEFT_CACHE"
            raise OutputError(what, where=str(self._partial.parent), cure=cure)

    def _resume(self) -> None:
        """Go on where an earlier try was cut: what it left is hashed."""
        with told(self._partial):
            if os.fstat(self._file).st_size > self._size:
                os.ftruncate(self._file, 0)
            while piece := os.read(self._file, PIECE):
                self._hash.update(piece)
                self.offset += len(piece)


def _open(partial: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(partial, flags, 0o644)
    except PermissionError:  # who was killed just before it became the blob had made it read-only
        partial.chmod(0o644)
        return os.open(partial, flags)
