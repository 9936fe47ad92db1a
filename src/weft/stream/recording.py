"""Frames of streams in a file, to be played again.

Version 1, little endian. The file begins with ``WEFTREC1``. A record is a head and a body. The head: length of the
stream's name u16, of the header u32, of the payload u32, time of arrival i64 (ns since the epoch), CRC-32 of the body
u32, CRC-32 of the head before it u32. The body: the stream's name (UTF-8), the header (:mod:`weft.stream.wire`), the
payload. Records are only ever added, so a file that was cut off is right up to the cut; a damaged body costs its own
record, a damaged head what follows.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from weft.core.clock import now_ns
from weft.core.errors import InputError, NotFoundError, OutputError, WeftError
from weft.core.frame import Frame
from weft.stream.base import MAX_PAYLOAD
from weft.stream.names import key_of
from weft.stream.wire import MAX_TAIL, HeaderWriter, read_header

MAGIC = b"WEFTREC1"
"""What a recording begins with; the last character is the version."""

MAX_STREAM = 1024
"""Bytes of a stream's name."""

_HEAD = struct.Struct("<HIIqI")
_CRC = struct.Struct("<I")
_MAX_HEADER = MAX_TAIL + 64


@dataclass(frozen=True, slots=True)
class Record:
    """One frame of a recording.

    Attributes:
        arrived_ns: when it was recorded, nanoseconds since the epoch.
        frame: the frame as it came.
    """

    arrived_ns: int
    frame: Frame


class RecordingWriter:
    """Writes a recording; nothing that is there is overwritten.

    Attributes:
        frames: written so far.
        size: bytes written so far.
    """

    def __init__(self, path: Path, max_size: int | None = None) -> None:
        """Begin the file. Raises OutputError when it is there already, or cannot be made."""
        self.frames = 0
        self._path = path
        self._most = max_size
        self._header = HeaderWriter(0, 0)
        try:
            self._file: BinaryIO = path.open("xb")
            self._file.write(MAGIC)
        except FileExistsError as error:
            raise OutputError("it is there already", where=str(path), cure="name another file") from error
        except OSError as error:
            raise self._failed(error) from error
        self.size = len(MAGIC)

    def write(self, frame: Frame, arrived_ns: int | None = None) -> bool:
        """Add a frame; False when the file would become larger than it may. Raises InputError, OutputError."""
        data = self._record(frame, now_ns() if arrived_ns is None else arrived_ns)
        if self._most is not None and self.size + len(data) > self._most:
            return False
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error
        self.frames += 1
        self.size += len(data)
        return True

    def close(self) -> None:
        """Close the file. Raises OutputError."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def _record(self, frame: Frame, arrived_ns: int) -> bytes:
        stream, header = frame.stream.encode(), self._header.write(frame, self.frames)
        if len(stream) > MAX_STREAM or len(frame.payload) > MAX_PAYLOAD:
            raise InputError("a frame that is too large for a recording", where=frame.stream, cure="leave it out")
        body = b"".join((stream, header, frame.payload))
        head = _HEAD.pack(len(stream), len(header), len(frame.payload), arrived_ns, crc32(body))
        return b"".join((head, _CRC.pack(crc32(head)), body))

    def _failed(self, error: OSError) -> OutputError:
        cure = "is its folder there, and is there room?"
        return OutputError(f"cannot be written: {error.strerror}", where=str(self._path), cure=cure)


class RecordingReader:
    """Reads a recording from its beginning.

    Attributes:
        damaged: records that were left out because their bytes changed.
        missing: bytes at the end that make no whole record: the file was cut off, or changed there.
    """

    def __init__(self, path: Path) -> None:
        """Open it. Raises NotFoundError, and InputError for a file that is no recording."""
        self.damaged = 0
        self.missing = 0
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            cure = "name a file that `weft record` wrote"
            raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error
        try:
            self._check(self._read(len(MAGIC)))
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[Record]:
        """The records, as far as the file is whole."""
        self.damaged = self.missing = 0
        self._file.seek(len(MAGIC))
        while (lengths := self._head()) is not None:
            name, header, payload, arrived_ns, body_crc = lengths
            at = self._file.tell()
            body = self._read(name + header + payload)
            if len(body) < name + header + payload:
                self._rest_from(at - _HEAD.size - _CRC.size)
                return
            if crc32(body) == body_crc and (record := _record(body, name, header, arrived_ns)) is not None:
                yield record
            else:
                self.damaged += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _head(self) -> tuple[int, int, int, int, int] | None:
        """The lengths of the next record; None where no whole head follows."""
        at = self._file.tell()
        head = self._read(_HEAD.size + _CRC.size)
        name, header, payload, *others = _HEAD.unpack_from(head.ljust(_HEAD.size, b"\0"))
        right = len(head) == _HEAD.size + _CRC.size and _CRC.unpack_from(head, _HEAD.size)[0] == crc32(head[:-4])
        if not right or name > MAX_STREAM or header > _MAX_HEADER or payload > MAX_PAYLOAD:
            self._rest_from(at)
            return None
        return name, header, payload, others[0], others[1]

    def _rest_from(self, at: int) -> None:
        self.missing = os.fstat(self._file.fileno()).st_size - at

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(self._path)) from error

    def _check(self, magic: bytes) -> None:
        if magic == MAGIC:
            return
        if magic[:-1] == MAGIC[:-1] and len(magic) == len(MAGIC):
            what = f"a recording of version {magic[-1:].decode('ascii', 'replace')}, and this Weft reads version 1"
            raise InputError(what, where=str(self._path), cure="use the version of Weft that wrote it")
        raise InputError("no recording", where=str(self._path), cure="name a file that `weft record` wrote")


def _record(body: bytes, name: int, header: int, arrived_ns: int) -> Record | None:
    """What a body says; None where what was written makes no frame."""
    try:
        stream = body[:name].decode()
        key_of(stream, "local")
        return Record(arrived_ns, read_header(body[name : name + header]).frame(body[name + header :], stream))
    except (UnicodeDecodeError, WeftError):
        return None
