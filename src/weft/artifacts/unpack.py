"""Archives from strangers: files and folders come out, within the folder, and no more than is allowed."""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from weft.artifacts.digest import PIECE
from weft.artifacts.disk import told, unwritable
from weft.artifacts.kinds import Packing
from weft.core.errors import InputError, NotFoundError, UnavailableError
from weft.core.text import visible

MAX_HEADER = 1 << 20
_END = bytes(512)
"""What every archive ends with, so that one that was cut between two of its files is known."""
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
ENDS = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError)
"""What reading a damaged archive ends with. Headers without a file are read by recursion: too many of them are one."""

Opener = Callable[[IO[bytes]], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may come out of one archive: files, bytes, and bytes for each byte of the archive."""

    files: int = 10_000
    size: int = 64 << 30
    ratio: int = 200
    small: int = 64 << 20
    """Bytes that may come out of any archive, however small."""

    def most(self, packed: int) -> int:
        """Bytes that may come out of an archive of ``packed`` bytes."""
        return min(self.size, max(self.small, packed * self.ratio))


BOUNDS = Bounds()


def safe_name(name: str, where: str) -> PurePosixPath:
    """A relative name that stays within its folder. Raises InputError."""
    path = PurePosixPath(name)
    unsound = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not name.isprintable()
    if unsound or len(name) > 1024 or any(len(part.encode()) > 255 for part in path.parts):
        what = f"'{visible(name[:100])}' is no name of a file within the artifact"
        raise InputError(what, where=where, cure="do not use this artifact: it tries to write elsewhere, or is damaged")
    return path


def unpack(archive: Path, packing: Packing, folder: Path, where: str, bounds: Bounds = BOUNDS) -> None:
    """Unpack an archive into a folder; only files and folders, nothing that is there already.

    Raises InputError for anything else in it, for one that is damaged or grows beyond ``bounds``, OutputError for a
    full disk, NotFoundError where the archive is gone, and UnavailableError for zstd where Python has none.
    """
    damage, opener = _kinds(packing, where)
    try:
        file = archive.open("rb")
    except OSError as error:
        raise NotFoundError("a part is not in the store", where=where, cure="pull it again") from error
    with file:
        most = bounds.most(os.fstat(file.fileno()).st_size)
        try:
            with opener(file) as stream:
                _read(_Counted(stream, most + (1 << 20) + bounds.files * 2048, where), folder, where, bounds, most)
        except damage as error:
            what = f"the archive {archive.name[:12]} ({packing}) is damaged: {visible(str(error))[:100]}"
            raise InputError(what, where=where, cure="pack it anew and push the artifact again") from error
        except OSError as error:
            what = f"the archive {archive.name[:12]} cannot be read: {error.strerror}"
            raise InputError(what, where=where, cure="look at the disk; weft cache verify sets damage aside") from error


def _read(reader: _Counted, folder: Path, where: str, bounds: Bounds, most: int) -> None:
    """All of an archive, to the end of what it is packed with: the check sums are there."""
    with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|", tarinfo=_Member) as tar:
        _extract(tar, folder, where, bounds.files, most)
    while reader.read(PIECE):
        pass
    if reader.last != _END:
        raise EOFError("its end is missing")


class _Member(tarfile.TarInfo):
    """A header that is what it should be: long names in it are held in memory, and a size is never below nothing."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        """A header's member. Raises tarfile's ReadError for a size below nothing, and names above ``MAX_HEADER``."""
        member = super().frombuf(buf, encoding, errors)
        names = member.type in (*_LONG, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        if member.size < 0 or (names and member.size > MAX_HEADER):
            raise tarfile.ReadError("a header of this size is none")
        return member


class _Counted:
    """Reads no more than a number of bytes: headers, too, can be packed to nothing."""

    def __init__(self, stream: IO[bytes], most: int, where: str) -> None:
        self._stream, self._left, self._where = stream, most, where
        self.last = b""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; b"" at the end. Raises InputError beyond what is allowed in all."""
        piece = self._stream.read(min(size, self._left + 1))
        self._left -= len(piece)
        self.last = (self.last + piece[-len(_END) :])[-len(_END) :]
        if self._left < 0:
            raise _too_much(self._where)
        return piece


def _extract(tar: tarfile.TarFile, folder: Path, where: str, files: int, most: int) -> None:
    for count, member in enumerate(tar):
        if count >= files:
            raise InputError(f"the archive has more than {files} files", where=where, cure="take fewer, larger files")
        target = folder / safe_name(member.name, where)
        if member.isdir():
            _make_folder(target, member.name, where)
            continue
        # A sparse file's size is in a second header, which may say anything, and costs the archive nothing.
        if not member.isreg() or member.issparse() or member.size < 0:
            what = f"'{visible(member.name[:100])}' in the archive is a link, a device or a sparse file"
            raise InputError(what, where=where, cure="pack files and folders alone, with their content: tar -h")
        most -= member.size
        if most < 0:
            raise _too_much(where)
        _write(tar, member, target, where)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, where: str) -> None:
    content = tar.extractfile(member)
    assert content is not None  # it is a file
    _make_folder(target.parent, member.name, where)
    try:
        file = target.open("xb")
    except FileExistsError as error:
        raise _twice(member.name, where) from error
    except OSError as error:
        raise unwritable(error, target) from error
    with file:
        while piece := content.read(PIECE):
            with told(target):
                file.write(piece)
        with told(target):
            file.flush()


def _make_folder(folder: Path, name: str, where: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _twice(name, where) from error
    except OSError as error:
        raise unwritable(error, folder) from error


def _twice(name: str, where: str) -> InputError:
    return InputError(f"'{visible(name[:100])}' is there twice", where=where, cure="pack each file once")


def _kinds(packing: Packing, where: str) -> tuple[tuple[type[Exception], ...], Opener]:
    """What reading a damaged archive of a kind ends with, and what unpacks its bytes."""
    if packing == "tar+gzip":
        return ENDS, _gzip
    if packing == "tar+zstd":
        opener, error = _zstd(where)
        return (*ENDS, error), opener
    return ENDS, nullcontext


def _gzip(file: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    return cast("AbstractContextManager[IO[bytes]]", gzip.GzipFile(fileobj=file))


def _zstd(where: str) -> tuple[Opener, type[Exception]]:
    """Python's own from 3.14 on, or the package's; and its error."""
    from importlib import import_module

    try:
        module = import_module("compression.zstd")
    except ImportError:
        try:
            module = import_module("zstandard")
        except ImportError:
            cure = "pip install zstandard, or take Python 3.14"
            raise UnavailableError("it is packed with zstd", where=where, cure=cure) from None
        # Several frames make one file, as pzstd and seekable archives have it.
        return partial(module.ZstdDecompressor().stream_reader, read_across_frames=True), module.ZstdError
    return module.ZstdFile, module.ZstdError


def _too_much(where: str) -> InputError:
    cure = "do not use this artifact, unless its author says that it must be so large"
    return InputError("more comes out of the archive than its size allows", where=where, cure=cure)
