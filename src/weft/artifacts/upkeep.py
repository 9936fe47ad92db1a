"""Keeping the store: what nothing names goes, what was used longest ago makes room, what was changed is set aside."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from weft.artifacts.digest import digest_of_file, hex_of
from weft.artifacts.disk import scratch, told
from weft.artifacts.references import Entry, References
from weft.artifacts.store import Store
from weft.artifacts.view import changed_files

GRACE_S = 3600.0
"""Seconds that a blob stays which nothing names: somebody may be pulling what needs it."""

PARTIAL_S = 7 * 86_400.0
"""Seconds that what a cut left stays, for a pull that goes on."""


@dataclass(slots=True)
class Collected:
    """What went: blobs, files of artifacts, names that made room, what cuts had left; and bytes in all."""

    blobs: int = 0
    views: int = 0
    partials: int = 0
    names: list[str] = field(default_factory=list)
    freed: int = 0


@dataclass(slots=True)
class Verified:
    """What was found: how much was looked at, what was set aside, and the names that are not whole any more."""

    blobs: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def collect(
    store: Store, *, grace_s: float = GRACE_S, partial_s: float = PARTIAL_S, size: int | None = None, dry: bool = False
) -> Collected:
    """Remove what no name needs, and the names used longest ago while there is more than ``size`` (the store's own).

    What is younger than ``grace_s`` stays. With ``dry`` nothing is removed, only told. Raises OutputError.
    """
    with store.alone():
        return _Sweep(store, grace_s, partial_s, dry).run(store.size if size is None else size)


def trim(store: Store) -> Collected:
    """:func:`collect`, if the store holds more than it may. Raises OutputError."""
    return collect(store) if total_size(store) > store.size else Collected()


def total_size(store: Store) -> int:
    """Bytes of all blobs, partial ones and files of artifacts; a file that is a blob counts once."""
    whole = sum(_sizes(folder) for folder in (store.blobs, store.partial, store.damaged))
    return whole + _sizes(store.views, linked=False)


class _Sweep:
    """One collection, with the lock held."""

    def __init__(self, store: Store, grace_s: float, partial_s: float, dry: bool) -> None:
        self._store, self._dry = store, dry
        self._references = References(store)
        now = time.time()
        self._before, self._partial_before = now - grace_s, now - partial_s
        self._done = Collected()
        self._gone: set[Path] = set()

    def run(self, size: int) -> Collected:
        entries = sorted(self._references.all(), key=lambda entry: entry.used)
        total = total_size(self._store) - self._leftovers()
        total -= self._unneeded(entries)
        while total > size and entries and entries[0].used < self._before:
            entry = entries.pop(0)
            self._done.names.append(entry.reference)
            if not self._dry:
                self._references.remove(entry.reference)
            total -= self._unneeded(entries)
        return self._done

    def _unneeded(self, entries: list[Entry]) -> int:
        """Remove the blobs and views that none of the names needs; how many bytes that were."""
        needed = {hex_of(entry.manifest) for entry in entries}
        views = set(needed)
        for entry in entries:
            needed |= {hex_of(part.digest) for part in self._references.parts(entry)}
        freed = 0
        for path in self._old(self._store.views, self._before):
            if path.name not in views:
                freed += self._remove(path, _sizes(path, linked=False))
                self._done.views += 1
        for path in self._old(self._store.blobs, self._before):
            if path.name not in needed:
                freed += self._remove(path, path.stat().st_size)
                self._done.blobs += 1
        return freed

    def _leftovers(self) -> int:
        """Remove what crashes and cuts left."""
        freed = 0
        for path in self._old(self._store.staging, self._before):
            freed += self._remove(path, 0)
        for path in self._old(self._store.partial, self._partial_before):
            freed += self._remove(path, path.stat().st_size)
            self._done.partials += 1
        return freed

    def _old(self, folder: Path, before: float) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path not in self._gone and path.stat().st_mtime <= before:
                yield path

    def _remove(self, path: Path, size: int) -> int:
        self._gone.add(path)
        self._done.freed += size
        if self._dry:
            return size
        with told(path):
            if path.is_dir():
                trash = scratch(self._store.staging)  # its name goes at once, whatever happens while it is emptied
                path.replace(trash)
                shutil.rmtree(trash, ignore_errors=True)
            else:
                path.unlink()
        return size


def verify(store: Store) -> Verified:
    """Look at every byte of the store. What was changed is set aside, and names that need it are told.

    Files that were made of blobs and changed since are made again when they are next used. Raises OutputError.
    """
    store.prepare()
    found = Verified()
    for path in sorted(store.blobs.iterdir()):
        _verify_blob(store, path, found)
    for folder in sorted(store.views.iterdir()):
        if changed_files(folder):
            found.views.append(folder.name)
            with told(folder):
                folder.replace(scratch(store.damaged).with_suffix(f".{folder.name}"))
    found.names = list(_broken(store))
    return found


def _verify_blob(store: Store, path: Path, found: Verified) -> None:
    try:
        digest, size = digest_of_file(path), path.stat().st_size
    except FileNotFoundError:
        return  # collected a moment ago
    except OSError:
        digest, size = "", 0  # the disk cannot read it
    found.blobs += 1
    found.size += size
    if hex_of(digest) != path.name:
        found.damaged.append(f"sha256:{path.name}")
        store.set_aside(f"sha256:{path.name}")


def _broken(store: Store) -> Iterator[str]:
    """Names whose parts are not all there, and files of names that cannot be read, which are set aside."""
    references = References(store)
    known = set()
    for entry in references.all():
        path = references.path(entry.reference)
        known.add(path)
        parts = references.parts(entry)
        if not parts or not all(store.path(part.digest).is_file() for part in parts):
            yield entry.reference
    for path in references.files():
        if path not in known:
            with suppress(FileNotFoundError), told(path):
                path.replace(scratch(store.damaged).with_suffix(f".{path.name}"))
            yield path.name


def _sizes(folder: Path, *, linked: bool = True) -> int:
    """Bytes of the files in a folder; without ``linked`` of those that are nowhere else."""
    if not folder.is_dir():
        return 0
    stats = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum(stat.st_size for stat in stats if linked or stat.st_nlink == 1)
