"""Where a model comes from: its format, digest and bytes, found out once while its files stay the same."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core.errors import ModelError, NotFoundError
from weft.nn.external import external_files, refuse_external
from weft.nn.formats import Format, sniff, sniff_path

_REMEMBERED = 256
_BROUGHT, _BROUGHT_BYTES = 32, 64 * 2**20
_SETTLED_NS = 100_000_000
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Source:
    """A model before an engine has it.

    Attributes:
        name: the file's name without its suffix; the start of the digest for a model in memory.
        format: what the bytes are.
        digest: ``sha256:`` and 64 hex digits. Of one file, the digest of its bytes, as registries give it;
            of several, of their digests.
        size: bytes, all files together.
        path: the file or directory, where there is one: engines map it themselves.
        weights: the ``.bin`` of OpenVINO IR on disk.
        parts: the bytes of a model in memory, else empty.
        stamps: what the files looked like when the digest was taken.
    """

    name: str
    format: Format
    digest: str
    size: int
    path: Path | None = None
    weights: Path | None = None
    parts: tuple[bytes, ...] = ()
    stamps: tuple[tuple[Path, Stamp], ...] = ()

    @property
    def where(self) -> str:
        """How errors call this model."""
        return str(self.path or self.name)

    def check_unchanged(self) -> None:
        """ModelError when a file is no longer the one whose digest was taken."""
        if not _same(self.stamps):
            raise ModelError("changed while it was loaded", where=self.where, cure="load it again when it is written")

    def content(self) -> bytes:
        """The first part's bytes, read where they are a file's."""
        return self.path.read_bytes() if self.path else self.parts[0]

    @contextmanager
    def opened(self) -> Iterator[bytes | mmap.mmap]:
        """The first part's bytes, mapped where they are a file's."""
        if self.path is None:
            yield self.parts[0]
            return
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            yield view


class Sources:
    """Finds sources out and remembers them. Safe to use from many threads.

    Of paths, the last 256 are remembered; of models in memory, the last 32 up to 64 MiB. A guest that brings
    its model with every frame is so recognised by comparing bytes, six times faster than by their digest.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Source] = OrderedDict()
        self._brought: list[Source] = []
        self._lock = threading.Lock()

    def of_path(self, path: Path) -> Source:
        """The source at a path; read again only when a file's size, time or inode differs.

        Raises NotFoundError and ModelError as :func:`weft.nn.formats.sniff_path` does.
        """
        key = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps "..", resolve() costs a stat per folder
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
        if known is not None and _same(known.stamps):
            return known
        source = _read(Path(key))
        self._remember(key, source)
        return source

    def of_bytes(self, parts: Sequence[bytes]) -> Source:
        """The source of a model in memory; errors as for :func:`of_bytes`."""
        sizes, owned = list(map(len, parts)), tuple(map(bytes, parts))
        for source in self._brought:
            if list(map(len, source.parts)) == sizes and source.parts == owned:
                return source
        source = of_bytes(owned)
        with self._lock:
            brought = [source, *self._brought[: _BROUGHT - 1]]
            while sum(kept.size for kept in brought) > _BROUGHT_BYTES:
                brought.pop()
            self._brought = brought
        return source

    def _remember(self, key: str, source: Source) -> None:
        # A file written a moment ago could be written again within one tick of its clock, unseen.
        newest = max(stamp[3] for _, stamp in source.stamps)
        with self._lock:
            self._known.pop(key, None)
            if newest < time.time_ns() - _SETTLED_NS:
                self._known[key] = source
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def of_bytes(parts: Sequence[bytes]) -> Source:
    """The source of a model in memory: one part, or two for OpenVINO IR.

    Raises ModelError for bytes that are no model, that name other files, or for a wrong number of parts.
    """
    if not parts:
        raise ModelError("no model bytes were given", cure="give one part, or two for OpenVINO IR (xml, bin)")
    kind = sniff(parts[0])
    most = 2 if kind == "openvino" else 1
    if len(parts) > most:
        raise ModelError(f"{len(parts)} parts for a model of format {kind}", cure=f"give {most}")
    refuse_external(kind, parts[0])
    owned = tuple(map(bytes, parts))
    digest = _combined([hashlib.sha256(part).hexdigest() for part in owned])
    return Source(digest[7:19], kind, digest, sum(map(len, owned)), parts=owned)


def _read(path: Path) -> Source:
    kind = sniff_path(path)
    weights = _weights(path) if kind == "openvino" else None
    files = _files(path, kind, weights)
    stamps = tuple((file, _stamp(file)) for file in files)
    plain = [file for file in files if file.is_file()]
    marks = [_digest(file) for file in plain]
    if kind == "savedmodel":
        marks = [f"{file.relative_to(path.resolve())}\0{mark}" for file, mark in zip(plain, marks, strict=True)]
    size = sum(stamp[2] for file, stamp in stamps if file in plain)
    return Source(path.stem, kind, _combined(marks), size, path, weights, stamps=stamps)


def _files(path: Path, kind: Format, weights: Path | None) -> list[Path]:
    """What the digest covers, the main file first. Directories are listed for their stamps alone."""
    if kind == "savedmodel":
        return [path.resolve(), *sorted(path.resolve().rglob("*"))]
    if kind == "openvino":
        return [path, weights] if weights else [path]
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return [path, *external_files(path, kind, view)]


def _weights(path: Path) -> Path | None:
    """The ``.bin`` beside an IR document; None for a graph without constants."""
    weights = path.with_suffix(".bin")
    if weights.is_file():
        return weights
    if b'type="Const"' not in path.read_bytes():
        return None
    cure = f"put {weights.name} beside {path.name}"
    raise NotFoundError("the weights of this OpenVINO IR are not there", where=str(weights), cure=cure)


def _combined(marks: list[str]) -> str:
    """One digest as it is; of several, or of one with its file's name, the digest of the list."""
    if len(marks) == 1 and "\0" not in marks[0]:
        return f"sha256:{marks[0]}"
    return f"sha256:{hashlib.sha256(chr(10).join(marks).encode()).hexdigest()}"


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stamp(file: Path) -> Stamp:
    stat: Any = file.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _same(stamps: tuple[tuple[Path, Stamp], ...]) -> bool:
    try:
        return all(_stamp(file) == stamp for file, stamp in stamps)
    except OSError:
        return False
