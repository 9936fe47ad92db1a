"""The store: blobs by digest, and references that name the manifests among them.

::

    blobs/<hex>       a blob, whole and right: it gets this name when its digest has been checked
    partial/<hex>     a blob that is coming in, or was cut
    references/       a small file for each name, which says the digest of its manifest
    views/<hex>/      the files of an artifact under their own names, for those who open files
    damaged/          blobs that ``weft cache verify`` found changed
    staging/          files that are being written

A crash leaves every blob and reference whole or not there. Processes share the store: who adds something holds the
lock with others, who removes holds it alone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from weft.artifacts.digest import PIECE, digest_of, hex_of, short
from weft.artifacts.disk import LOCK, locked, scratch, told, write_file
from weft.artifacts.incoming import READ_ONLY, Incoming
from weft.core.errors import InputError, NotFoundError, OutputError
from weft.core.paths import cache_dir
from weft.core.units import format_size, parse_size

SIZE_VARIABLE = "WEFT_CACHE_SIZE"
SIZE = 64 << 30
"""Bytes of all blobs and files together, unless ``WEFT_CACHE_SIZE`` says otherwise."""

BUSY_S = 0.1
"""Seconds until it is looked again whether another process has brought a blob."""

_FOLDERS = ("blobs", "partial", "references", "views", "damaged", "staging")


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob that is there: its digest, size and file."""

    digest: str
    size: int
    path: Path


class Store:
    """Blobs by digest. Safe to use from many threads and processes.

    Args:
        folder: where it is; in Weft's cache by default.
        size: bytes it may hold; the artifacts used longest ago go first.
    """

    def __init__(self, folder: Path | None = None, *, size: int | None = None) -> None:
        self.folder = cache_dir() / "artifacts" if folder is None else folder
        self.size = parse_size(os.environ.get(SIZE_VARIABLE) or SIZE) if size is None else size
        self.blobs, self.partial, self.references, self.views, self.damaged, self.staging = (
            self.folder / name for name in _FOLDERS
        )

    def prepare(self) -> Store:
        """Make its folders; returns itself. Raises OutputError."""
        with told(self.folder):
            for name in _FOLDERS:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        return self

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Nothing is removed within the block. Raises OutputError."""
        with self._held(shared=True):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody adds or removes anything within the block. Raises OutputError."""
        with self._held(shared=False):
            yield

    @contextmanager
    def _held(self, *, shared: bool) -> Iterator[None]:
        self.prepare()
        held = locked(self.folder / LOCK, shared=shared)
        with told(self.folder):
            held.__enter__()
        try:
            yield
        finally:
            held.__exit__(None, None, None)

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        return self.blobs / hex_of(digest)

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether a blob is there, of this size where one is given. It then stays for the time of grace."""
        path = self.path(digest)
        with self.shared():
            try:
                found = path.stat().st_size
                if size is not None and found != size:
                    return False
                os.utime(path)
            except FileNotFoundError:
                return False
            except OSError:  # another user's store, say: it is there all the same
                return path.is_file()
        return True

    def read(self, digest: str, most: int) -> bytes:
        """A small blob, checked again. Raises NotFoundError, and InputError for one that is damaged or too large."""
        path = self.path(digest)
        try:
            if (size := path.stat().st_size) > most:
                what = f"it is {format_size(size)}; at most {format_size(most)} are read of such a blob"
                raise InputError(what, where=short(digest), cure="see weft cache verify")
            data = path.read_bytes()
        except OSError as error:
            cure = "pull the artifact again"
            raise NotFoundError("the blob is not in the store", where=short(digest), cure=cure) from error
        if digest_of(data) != digest:
            raise InputError("it was changed in the store", where=short(digest), cure="weft cache verify sets it aside")
        return data

    def receive(self, digest: str, size: int) -> Incoming:
        """Receive a blob. Raises BlockingIOError while somebody else does, OutputError for a full disk."""
        self.prepare()
        self._remove_wrong(digest, size)
        return Incoming(self.partial / hex_of(digest), self.path(digest), digest, size)

    def add(self, data: bytes) -> Blob:
        """Keep bytes. Raises OutputError."""
        blob = Blob(digest_of(data), len(data), self.path(digest_of(data)))
        if not self.has(blob.digest, blob.size):
            with told(blob.path):
                write_file(blob.path, data, self.staging, mode=READ_ONLY)
        return blob

    def add_file(self, path: Path) -> Blob:
        """Keep a copy of a file. Raises NotFoundError, OutputError, and InputError for one that is being written."""
        try:
            file = path.open("rb")
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            raise NotFoundError(what, where=str(path), cure="check the path") from error
        with file:
            digest, size = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}", os.fstat(file.fileno()).st_size
            while not self.has(digest, size):
                try:
                    incoming = self.receive(digest, size)
                except BlockingIOError:  # another process adds the same
                    time.sleep(BUSY_S)
                    continue
                with incoming:
                    _copy(file, incoming)
        return Blob(digest, size, self.path(digest))

    def set_aside(self, digest: str) -> None:
        """Move a blob that is not what it should be out of the way, for people to look at."""
        with told(self.damaged), suppress(FileNotFoundError):
            self.path(digest).replace(scratch(self.damaged).with_suffix(f".{hex_of(digest)}"))

    def check_fits(self, total: int, where: str) -> None:
        """Raises OutputError for an artifact larger than the whole store may be."""
        if total > self.size:
            what = f"it is {format_size(total)}, and the store may hold {format_size(self.size)}"
            raise OutputError(what, where=where, cure=f"raise {SIZE_VARIABLE}, such as {SIZE_VARIABLE}=200GiB")

    def touch(self, digests: Iterable[str]) -> None:
        """Blobs are in use; call it with the lock held. Raises NotFoundError for one that is not there."""
        for digest in digests:
            path = self.path(digest)
            if not path.is_file():
                cure = "pull it again"
                raise NotFoundError("a part of the artifact is not in the store", where=short(digest), cure=cure)
            with suppress(PermissionError):
                os.utime(path)

    def _remove_wrong(self, digest: str, size: int) -> None:
        """A blob of another size was cut by a broken disk: it must not pass for the one that is wanted."""
        with suppress(FileNotFoundError):
            if self.path(digest).stat().st_size != size:
                self.set_aside(digest)


def _copy(file: IO[bytes], incoming: Incoming) -> None:
    incoming.restart()
    incoming.check_room()
    file.seek(0)
    while piece := file.read(PIECE):
        incoming.write((piece,))
    incoming.commit()
