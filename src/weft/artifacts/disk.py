"""Files that are whole or not there, also after a crash, and errors of the disk in our own words."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.core.errors import OutputError

LOCK = "lock"
"""The file of a store that is locked."""

_LOCKS = "name a folder on a disk that has locks for files: WEFT_CACHE"
_CURES = {
    errno.ENOSPC: "make room on the disk, or name another place: WEFT_CACHE",
    errno.EDQUOT: "make room in this user's quota, or name another place: WEFT_CACHE",
    errno.EFBIG: "raise this user's limit on file sizes (ulimit -f), or name another place: WEFT_CACHE",
    errno.ENOLCK: _LOCKS,
    errno.EOPNOTSUPP: _LOCKS,
}


def unwritable(error: OSError, where: Path | str) -> OutputError:
    """What an error of the disk means."""
    cure = _CURES.get(error.errno or 0, "make the folder writable, or name another: WEFT_CACHE")
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


@contextmanager
def staged(staging: Path, *, folder: bool = False, mode: int = 0o644) -> Iterator[tuple[Path, int]]:
    """A new file, or folder, in ``staging`` and its descriptor; what still has that name at the end is removed.

    It is held for as long as this process has it open: :func:`seized` tells it from what a killed one left, however old
    it is. Raises OSError.
    """
    name = scratch(staging)
    with locked(staging.parent / LOCK, shared=True):  # who sweeps is alone, and never sees it before it is held
        if folder:
            name.mkdir()
        # To be read as well: over NFS, a file that cannot be is not to be held with others.
        kind = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open(name, kind | os.O_CLOEXEC, mode)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield name, descriptor
    finally:
        remove(name)
        os.close(descriptor)


@contextmanager
def seized(path: Path) -> Iterator[bool]:
    """Whether nobody who lives holds a staged or partial file, which is then ours for the block."""
    try:
        descriptor = _opened(path)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield still_named(descriptor, path)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """To be written, too, where that can be: over NFS, what cannot be is not to be held alone."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_RDWR)
    except (IsADirectoryError, PermissionError):
        return os.open(path, flags | os.O_RDONLY)


def still_named(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and as far as the disk lets us."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def write_file(path: Path, data: bytes, staging: Path, *, mode: int = 0o644) -> None:
    """Write a file, whole or not at all, by way of a name in ``staging`` on the same disk. Raises OSError."""
    with staged(staging, mode=mode) as (name, descriptor):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        name.replace(path)
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


def inside(folder: Path) -> list[Path]:
    """What is in a folder, by name."""
    return sorted(folder.iterdir())


def changed(path: Path) -> float:
    """When it was changed last; never for one that is gone: others finish what they write meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def sizes(path: Path, *, linked: bool = True) -> int:
    """Bytes of a file, or of those in a folder; without ``linked`` of those that are nowhere else."""
    found = 0
    for file in [path] if path.is_file() else _files(path):
        with suppress(FileNotFoundError):
            status = file.lstat()
            if stat.S_ISREG(status.st_mode) and (linked or status.st_nlink == 1):
                found += status.st_size
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The files within a folder, as far as they are still there."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
