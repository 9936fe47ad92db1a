"""Names of the store: a small file each, which says what a reference means here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from weft.artifacts.digest import Descriptor
from weft.artifacts.disk import told, write_file
from weft.artifacts.manifest import MAX_MANIFEST, Manifest, parse_manifest
from weft.artifacts.store import Store
from weft.core.clock import now_ns
from weft.core.errors import InputError, WeftError

MAX_FILE = 64 << 10


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name stands for.

    Attributes:
        reference: the name, as ``oci://…`` or another reference.
        digest: what the name stands for at its origin: of a manifest, or of an index.
        manifest: of the manifest itself, which the index chose.
        kind: ``wasm``, ``model``, ``modelkit``, ``files``, or ``signature``, which lists leave out.
        size: bytes of all its parts.
        added: seconds since 1970.
        notes: what else is to be remembered, such as the commit that a branch was at.
        used: when it was last used, in seconds since 1970; kept as the file's own time.
    """

    reference: str
    digest: str
    manifest: str
    kind: str
    size: int
    added: int
    notes: Mapping[str, str] = field(default_factory=dict)
    used: float = 0.0


class References:
    """The names in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, reference: str) -> Entry | None:
        """What a name stands for, or None."""
        return self._read(self.path(reference))

    def all(self) -> Iterator[Entry]:
        """All names, in no order. A file that cannot be read is none; ``weft cache verify`` tells of it."""
        for path in self.files():
            if (entry := self._read(path)) is not None:
                yield entry

    def files(self) -> list[Path]:
        """The files the names are in."""
        return sorted(self._store.references.glob("*.json"))

    def put(self, reference: str, digest: str, manifest: Manifest, kind: str, notes: Mapping[str, str]) -> Entry:
        """Keep a name for a manifest that is in the store with all its parts.

        Raises NotFoundError where a part is missing, OutputError for a full disk.
        """
        entry = Entry(reference, digest, manifest.digest, kind, manifest.size, now_ns() // 10**9, dict(notes))
        plain = {key: value for key, value in asdict(entry).items() if key != "used"}
        path = self.path(reference)
        with self._store.shared(), told(path):
            self._store.touch([manifest.digest, *(blob.digest for blob in manifest.blobs)])
            write_file(path, json.dumps(plain).encode(), self._store.staging)
        return entry

    def remove(self, reference: str) -> bool:
        """Forget a name; False when it was not there. Its parts go with the next ``gc``. Raises OutputError."""
        with told(self.path(reference)):
            try:
                self.path(reference).unlink()
            except FileNotFoundError:
                return False
        return True

    def used(self, reference: str) -> None:
        """A name is in use now: it goes last when room is made."""
        with suppress(OSError):
            os.utime(self.path(reference))

    def path(self, reference: str) -> Path:
        """The file of a name."""
        return self._store.references / f"{hashlib.sha256(reference.encode()).hexdigest()[:40]}.json"

    def manifest(self, entry: Entry) -> Manifest:
        """The manifest a name stands for. Raises NotFoundError and InputError."""
        raw = self._store.read(entry.manifest, MAX_MANIFEST)
        manifest = parse_manifest(raw, entry.reference)
        if not isinstance(manifest, Manifest):
            raise InputError("the store has an index in its place", where=entry.reference, cure="pull it again")
        return manifest

    def parts(self, entry: Entry) -> tuple[Descriptor, ...]:
        """The parts of an artifact, as far as its manifest can be read; empty otherwise."""
        try:
            return self.manifest(entry).blobs
        except WeftError:
            return ()

    def _read(self, path: Path) -> Entry | None:
        known = {each.name for each in fields(Entry)}
        try:
            with path.open("rb") as file:
                data = json.loads(file.read(MAX_FILE))
                used = os.fstat(file.fileno()).st_mtime
            entry = Entry(**{**{key: value for key, value in data.items() if key in known}, "used": used})
            texts = (entry.reference, entry.digest, entry.manifest, entry.kind)
            sound = all(isinstance(text, str) for text in texts) and isinstance(entry.size, int)
            return entry if sound else None
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None
