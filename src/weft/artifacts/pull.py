"""Bringing artifacts: from the store where they are there, else from where their names say."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from weft.artifacts.digest import Descriptor
from weft.artifacts.download import Download, download, name_of
from weft.artifacts.http import MAX_ANSWER, Http
from weft.artifacts.kinds import SIGNATURE_LAYER, Kind, Layer, kind_of
from weft.artifacts.manifest import Index, Manifest
from weft.artifacts.origin import bring_hub, bring_url
from weft.artifacts.reference import HubReference, OciReference, Reference, UrlReference
from weft.artifacts.references import Entry, References
from weft.artifacts.registry import Registry
from weft.artifacts.settings import Attached, Settings, Subject
from weft.artifacts.store import Store
from weft.artifacts.upkeep import trim
from weft.artifacts.view import main_file, view
from weft.core.errors import InputError, NotFoundError, WeftError

T = TypeVar("T")

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Pulled:
    """An artifact that is in the store.

    Attributes:
        reference: as it was asked for.
        entry: what its name stands for.
        manifest: its manifest.
        kind: what it is.
        layers: its files.
        fetched: blobs that had to be brought; 0 where everything was there.
    """

    reference: Reference
    entry: Entry
    manifest: Manifest
    kind: Kind
    layers: tuple[Layer, ...]
    fetched: int = 0


async def pull(reference: Reference, store: Store, settings: Settings, *, refresh: bool = True) -> Pulled:
    """Bring an artifact into the store.

    A name that always means the same is taken from the store where it is there; so is any other without ``refresh``.
    ``settings.check`` is asked each time. Raises NotFoundError, InputError, DeniedError, UnavailableError, OutputError.
    """
    async with Http(settings) as http:
        return await Puller(store, http).pull(reference, refresh=refresh)


@dataclass(frozen=True, slots=True)
class Looked:
    """An artifact that was looked up in its registry, and not brought.

    Attributes:
        digest: what its name stands for there.
        manifest: the one for this machine, where that is an index.
    """

    reference: OciReference
    digest: str
    manifest: Manifest


async def look_up(reference: OciReference, store: Store, settings: Settings) -> Looked:
    """What a registry has under a name, after ``settings.check`` was asked of it. Raises as :func:`pull`."""
    async with Http(settings) as http:
        return await Puller(store, http).look_up(reference)


class Puller:
    """Brings artifacts over one client."""

    def __init__(self, store: Store, http: Http) -> None:
        self._store, self._http = store.prepare(), http
        self._references = References(store)
        self._settings = http.settings

    async def pull(self, reference: Reference, *, refresh: bool = True) -> Pulled:
        """As :func:`pull`."""
        here = reference.pinned or not refresh or self._settings.offline
        if here and (found := self._stored(reference)) is not None:
            await self._check(reference, found.entry.digest, found.manifest, refresh=refresh)
            if self._references.get(reference.name) is None:
                self._references.put(reference.name, found.entry.digest, found.manifest, found.kind, {})
            self._references.used(found.entry.reference)
            return found
        if isinstance(reference, OciReference):
            pulled = await self._from_registry(reference)
        else:
            pulled = await self._from_elsewhere(reference)
        await asyncio.to_thread(trim, self._store)
        return pulled

    def _stored(self, reference: Reference) -> Pulled | None:
        """The artifact as the store has it, if it is whole there."""
        entry = self._references.get(reference.name)
        try:
            if entry is None:
                entry = self._known_digest(reference)
            if entry is None:
                return None
            manifest = self._references.manifest(entry)
            if not all(self._store.has(part.digest, part.size) for part in manifest.blobs):
                return None
        except WeftError:
            return None  # it is damaged, and brought anew
        return Pulled(reference, entry, manifest, *kind_of(manifest, reference.name))

    def _known_digest(self, reference: Reference) -> Entry | None:
        """A digest that is in the store under another name."""
        if not isinstance(reference, OciReference) or not reference.digest or not self._store.has(reference.digest):
            return None
        for entry in self._references.all():
            if reference.digest in (entry.digest, entry.manifest):
                return replace(entry, reference=reference.name)
        return None

    async def look_up(self, reference: OciReference) -> Looked:
        """As :func:`look_up`."""
        digest, manifest = await self._manifest(Registry(self._http, reference))
        await self._check(reference, digest, manifest)
        return Looked(reference, digest, manifest)

    async def _manifest(self, registry: Registry) -> tuple[str, Manifest]:
        """What a name stands for, and the manifest for this machine."""
        reference = registry.reference
        found = await registry.manifest(reference.digest or reference.tag)
        digest = found.digest
        if isinstance(found, Index):
            machine = platform.machine()
            chosen = found.choose(reference.name, _MACHINES.get(machine, machine))
            inner = await registry.manifest(chosen.digest)
            if isinstance(inner, Index):
                raise InputError(
                    "an index within an index", where=reference.name, cure="name the manifest by its digest"
                )
            found = inner
        return digest, found

    async def _from_registry(self, reference: OciReference) -> Pulled:
        registry = Registry(self._http, reference)
        digest, found = await self._manifest(registry)
        kind, layers = kind_of(found, reference.name)
        self._store.check_fits(found.size, reference.name)
        await self._check(reference, digest, found)
        fetched = await self._fetch(registry, found, layers)
        await asyncio.to_thread(self._store.add, found.raw)
        entry = self._references.put(reference.name, digest, found, kind, {})
        return Pulled(reference, entry, found, kind, layers, fetched)

    async def _fetch(self, registry: Registry, manifest: Manifest, layers: Iterable[Layer]) -> int:
        """All parts of an artifact, several at a time; how many had to be brought."""
        names = {layer.part.digest: layer.name for layer in layers}
        turns = asyncio.Semaphore(self._settings.parallel)

        async def bring(part: Descriptor) -> bool:
            """Bring one part; whether it was fetched."""
            async with turns:
                where = f"{registry.reference.place}@{part.digest}"
                name = name_of(part, names.get(part.digest, ""))
                wanted = Download(registry.blob(part), part, registry.stream, name, where)
                return await download(self._http, self._store, wanted)

        return sum(await run_all(bring(part) for part in manifest.blobs))

    async def _from_elsewhere(self, reference: HubReference | UrlReference) -> Pulled:
        notes = {}
        if isinstance(reference, HubReference):
            manifest, notes["commit"] = await bring_hub(self._http, self._store, reference)
        else:
            manifest = await bring_url(self._http, self._store, reference)
        await self._check(reference, manifest.digest, manifest)
        kind, layers = kind_of(manifest, reference.name)
        entry = self._references.put(reference.name, manifest.digest, manifest, kind, notes)
        return Pulled(reference, entry, manifest, kind, layers, len(layers))

    async def _check(self, reference: Reference, digest: str, manifest: Manifest, *, refresh: bool = True) -> None:
        if self._settings.check is None:
            return

        async def attached(tag: str, *, anew: bool | None = None) -> Attached | None:
            """What stands beside it under a tag; None where nothing does."""
            return await self._attached(reference, tag, refresh=refresh if anew is None else anew)

        await self._settings.check(Subject(reference.name, digest, manifest, attached))

    async def _attached(self, reference: Reference, tag: str, *, refresh: bool) -> Attached | None:
        """What stands beside an artifact; kept in the store with it, so that it is there offline."""
        if not isinstance(reference, OciReference):
            return None
        beside = reference.tagged(tag)
        entry = self._references.get(beside.name)
        if entry is not None and (self._settings.offline or not refresh):
            manifest = self._references.manifest(entry)
            self._references.used(beside.name)
        elif self._settings.offline:
            return None
        else:
            try:
                manifest = await self._bring_attached(beside)
            except NotFoundError:
                return None

        async def blob(part: Descriptor) -> bytes:
            """A part's bytes, from the store."""
            return await asyncio.to_thread(self._store.read, part.digest, MAX_ANSWER)

        return Attached(manifest, blob)

    async def _bring_attached(self, beside: OciReference) -> Manifest:
        registry = Registry(self._http, beside)
        manifest = await registry.manifest(beside.tag)
        if isinstance(manifest, Index) or manifest.size > MAX_ANSWER:
            raise InputError("it is no signature", where=beside.name, cure="sign the artifact again")
        await self._fetch(registry, manifest, ())
        self._store.add(manifest.raw)
        kind = "signature" if any(part.media_type == SIGNATURE_LAYER for part in manifest.layers) else "attached"
        self._references.put(beside.name, manifest.digest, manifest, kind, {})
        return manifest


async def run_all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all of them; the first error ends the others, and is the one that is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except* WeftError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def files_of(pulled: Pulled, store: Store) -> Path:
    """The folder of an artifact's files. Raises as :func:`weft.artifacts.view.view`."""
    return view(store, pulled.entry.manifest, pulled.layers, pulled.reference.name)


def file_of(pulled: Pulled, store: Store) -> Path:
    """The file that an artifact is, or the one that its reference names. Raises as :func:`main_file`."""
    folder = files_of(pulled, store)
    return main_file(folder, pulled.layers, pulled.reference.file, replace_file(pulled.reference))


def replace_file(reference: Reference) -> str:
    """A reference without the file it names."""
    return str(replace(reference, file=""))
