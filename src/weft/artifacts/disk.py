"""Files that are whole or not there, also after a crash, and errors of the disk in our own words."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.core.errors import OutputError

_FULL = {
    errno.ENOSPC: "make room on the disk, or name another place: WEFT_CACHE",
    errno.EDQUOT: "make room in this user's quota, or name another place: WEFT_CACHE",
    errno.EFBIG: "raise this user's limit on file sizes (ulimit -f), or name another place: WEFT_CACHE",
}


def unwritable(error: OSError, where: Path | str) -> OutputError:
    """What an error of the disk means."""
    cure = _FULL.get(error.errno or 0, "make the folder writable, or name another: WEFT_CACHE")
    return OutputError(f"cannot write: {error.strerror or error}", where=str(where), cure=cure)


@contextmanager
def told(where: Path | str) -> Iterator[None]:
    """OSErrors within the block become OutputError."""
    try:
        yield
    except OSError as error:
        raise unwritable(error, where) from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlast a crash. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def scratch(folder: Path) -> Path:
    """A name in a folder that nobody else takes."""
    return folder / f"{os.getpid()}-{secrets.token_hex(8)}"


def write_file(path: Path, data: bytes, staging: Path, *, mode: int = 0o644) -> None:
    """Write a file, whole or not at all, by way of a name in ``staging`` on the same disk. Raises OSError."""
    name = scratch(staging)
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
    finally:
        with suppress(OSError):
            name.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def locked(path: Path, *, shared: bool) -> Iterator[None]:
    """Hold a lock file, with others who share it or alone; waits for it. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
