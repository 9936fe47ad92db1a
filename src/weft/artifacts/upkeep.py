"""Keeping the store: what nothing names goes, what was used longest ago makes room, what was changed is set aside."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from weft.artifacts.digest import digest_of_file, hex_of
from weft.artifacts.disk import changed, inside, remove, scratch, seized, sizes, told
from weft.artifacts.references import Entry, References
from weft.artifacts.store import Store
from weft.artifacts.view import changed_files
from weft.core.errors import OutputError

GRACE_S = 3600.0
"""Seconds that a blob stays which nothing names: somebody may be pulling what needs it."""

PARTIAL_S = 7 * 86_400.0
"""Seconds that what a cut left stays, for a pull that goes on."""

_BESIDE = re.compile(r":sha256-([0-9a-f]{64})\.sig$")
"""The tag that signatures of an artifact have."""


@dataclass(slots=True)
class Collected:
    """What went: blobs, files of artifacts, names that made room, what cuts had left; and bytes in all.

    And what did not, as it is too young: bytes that nothing names, and bytes beyond what there may be.
    """

    blobs: int = 0
    views: int = 0
    partials: int = 0
    names: list[str] = field(default_factory=list)
    freed: int = 0
    young: int = 0
    over: int = 0


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

    What is younger than ``grace_s`` stays, and what a cut download left for ``partial_s``. What somebody is writing at
    the moment stays however old it is. With ``dry`` nothing is removed, only told. Raises OutputError.
    """
    with store.alone():
        return _Sweep(store, grace_s, partial_s, dry).run(store.size if size is None else size)


def trim(store: Store) -> Collected:
    """:func:`collect`, if the store holds more than it may; else what killed processes left. Raises OutputError."""
    if total_size(store) > store.size:
        return collect(store)
    sweep = _Sweep(store, GRACE_S, PARTIAL_S, dry=False)
    if _anything_left(store):
        with suppress(OutputError), store.alone():  # another user's, perhaps: no reason for a pull to fail
            return sweep.leftovers()
    return Collected()


def _anything_left(store: Store) -> bool:
    before = time.time() - PARTIAL_S
    old = (path for path in inside(store.partial) if changed(path) <= before)
    for path in (*inside(store.staging), *old):
        with seized(path) as ours:
            if ours:
                return True
    return False


def total_size(store: Store) -> int:
    """Bytes of all blobs, partial ones and files of artifacts; a file that is a blob counts once."""
    whole = sum(sizes(folder) for folder in (store.blobs, store.partial, store.damaged))
    return whole + sizes(store.views, linked=False)


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
        """Sweep until no more than ``size`` bytes are left, where old enough names allow that; what went."""
        entries = self._without_lone(sorted(self._references.all(), key=lambda entry: entry.used))
        total = total_size(self._store) - self.leftovers().freed
        for path in self._old(self._store.damaged, self._before):
            total -= self._remove(path, sizes(path))
        total -= self._unneeded(entries)
        while total > size and entries and entries[0].used < self._before:
            entry = entries.pop(0)
            self._done.names.append(entry.reference)
            if not self._dry:
                self._references.remove(entry.reference)
            total -= self._unneeded(entries)
        self._done.over = max(0, total - self._done.young - size)
        return self._done

    def _without_lone(self, entries: list[Entry]) -> list[Entry]:
        """The names without the signatures of what is not there any more; these are forgotten."""
        artifacts = [entry for entry in entries if not _BESIDE.search(entry.reference)]
        there = {_place(entry) + hex_of(digest) for entry in artifacts for digest in (entry.digest, entry.manifest)}
        kept = []
        for entry in entries:
            beside = _BESIDE.search(entry.reference)
            if beside is None or _place(entry) + beside[1] in there or entry.used >= self._before:
                kept.append(entry)
            elif not self._dry:
                self._references.remove(entry.reference)
        return kept

    def _unneeded(self, entries: list[Entry]) -> int:
        """Remove the blobs and views that none of the names needs; how many bytes that were."""
        needed = {hex_of(entry.manifest) for entry in entries}
        views = set(needed)
        for entry in entries:
            needed |= {hex_of(part.digest) for part in self._references.parts(entry)}
        freed = 0
        for path in self._old(self._store.views, self._before):
            if path.name not in views:
                freed += self._remove(path, sizes(path, linked=False))
                self._done.views += 1
        young = 0
        for path in self._old(self._store.blobs, math.inf):
            if path.name in needed:
                continue
            if changed(path) > self._before:
                young += sizes(path)
                continue
            freed += self._remove(path, sizes(path))
            self._done.blobs += 1
        self._done.young = young
        return freed

    def leftovers(self) -> Collected:
        """Remove what crashes and cuts left, and what its writer does not hold."""
        for path in inside(self._store.staging):
            with seized(path) as ours:
                if ours:
                    self._remove(path, 0)
        for path in self._old(self._store.partial, self._partial_before):
            with seized(path) as ours:
                if ours:
                    self._remove(path, sizes(path))
                    self._done.partials += 1
        return self._done

    def _old(self, folder: Path, before: float) -> Iterator[Path]:
        for path in inside(folder):
            if path not in self._gone and changed(path) <= before:
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
                remove(trash)
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
            with told(folder), suppress(FileNotFoundError):
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
            with told(path), suppress(FileNotFoundError):
                path.replace(scratch(store.damaged).with_suffix(f".{path.name}"))
            yield path.name


def _place(entry: Entry) -> str:
    """Registry and repository of a name in one, before what tells its artifacts apart."""
    host, slash, rest = entry.reference.rpartition("/")
    return f"{host}{slash}{re.split('[:@]', rest)[0]}:"
