"""Manifests and indexes of the Open Container Initiative, read with suspicion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.artifacts.digest import Descriptor, checked_digest, digest_of
from weft.core.errors import InputError, NotFoundError

MAX_MANIFEST = 4 << 20
"""Bytes, as registries have it."""
MAX_LAYERS = 4096
MAX_ANNOTATIONS = 256

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
_INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
ACCEPTED = (*_MANIFESTS, *_INDEXES)
EMPTY = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One artifact: its config and its layers.

    Attributes:
        raw: the bytes, which the digest is of.
        digest: of the manifest itself.
        media_type: of the manifest.
        artifact_type: what kind of artifact it says it is; its config's media type where it says nothing.
    """

    raw: bytes
    digest: str
    media_type: str
    artifact_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that it needs, each once."""
        return tuple({part.digest: part for part in (self.config, *self.layers)}.values())

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return len(self.raw) + sum(blob.size for blob in self.blobs)


@dataclass(frozen=True, slots=True)
class Index:
    """Several manifests under one name, told apart by their platforms."""

    raw: bytes
    digest: str
    media_type: str
    manifests: tuple[Descriptor, ...]

    def choose(self, where: str, machine: str) -> Descriptor:
        """The manifest for WebAssembly, for this ``machine`` (such as amd64), or the only one that has no platform.

        Raises NotFoundError that tells which platforms there are.
        """
        for wanted in ("wasm", machine):
            if found := [entry for entry in self.manifests if entry.platform.get("architecture") == wanted]:
                return found[0]
        plain = [entry for entry in self.manifests if not entry.platform]
        if len(plain) == 1:
            return plain[0]
        there = sorted({"/".join(entry.platform.values()) or "none" for entry in self.manifests})
        cure = f"there are: {', '.join(there)}; name one by its digest" if there else "push the artifact again"
        raise NotFoundError("the index has no manifest for wasm or this machine", where=where, cure=cure)


def parse_manifest(raw: bytes, where: str, media_type: str = "") -> Manifest | Index:
    """A manifest or index; ``media_type`` is what its server says it is. Raises InputError."""
    if len(raw) > MAX_MANIFEST:
        raise too_large(where)
    data = read_json(raw, where)
    said = data.get("mediaType") or media_type.partition(";")[0].strip()
    if said in _INDEXES or (said not in _MANIFESTS and "manifests" in data):
        entries = _sequence(data, "manifests", where)
        return Index(raw, digest_of(raw), said or INDEX, tuple(descriptor(entry, where) for entry in entries))
    if said not in _MANIFESTS and not ("config" in data and "layers" in data):
        kind = f"'{str(said)[:100]}'" if said else "no media type"
        raise InputError(f"it is no manifest Weft knows: {kind}", where=where, cure="push it again with a newer tool")
    config = descriptor(data.get("config"), where)
    layers = tuple(descriptor(entry, where) for entry in _sequence(data, "layers", where))
    kind = str(data.get("artifactType") or config.media_type)
    return Manifest(raw, digest_of(raw), said or MANIFEST, kind, config, layers, _texts(data.get("annotations")))


def too_large(where: str) -> InputError:
    """The error for a manifest that is too large to be one."""
    cure = "it is no manifest, or the registry is at fault"
    return InputError(f"the manifest is larger than {MAX_MANIFEST >> 20} MiB", where=where, cure=cure)


def descriptor(entry: Any, where: str) -> Descriptor:
    """A descriptor as it stands in a manifest. Raises InputError."""
    if not isinstance(entry, Mapping):
        raise _broken("a descriptor is missing", where)
    size, kind = entry.get("size"), entry.get("mediaType")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 62:
        raise _broken(f"{str(size)[:40]!r} is no size", where)
    if not isinstance(kind, str):
        raise _broken("a blob has no media type", where)
    platform = _texts(entry.get("platform"))
    chosen: dict[str, str] = {key: platform[key] for key in ("os", "architecture", "variant") if key in platform}
    digest = checked_digest(entry.get("digest"), where)
    return Descriptor(kind[:256], digest, size, _texts(entry.get("annotations")), chosen)


def read_json(raw: bytes, where: str) -> dict[str, Any]:
    """A JSON object. Raises InputError."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _broken("it is no JSON", where) from error
    if not isinstance(data, dict):
        raise _broken("it is no JSON object", where)
    return data


def write_json(data: Mapping[str, object]) -> bytes:
    """JSON that is the same bytes for the same data."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def _sequence(data: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    found = data.get(key)
    if not isinstance(found, list) or len(found) > MAX_LAYERS:
        raise _broken(f"its {key} are no list of at most {MAX_LAYERS}", where)
    return found


def _texts(found: Any) -> dict[str, str]:
    if not isinstance(found, Mapping):
        return {}
    pairs = [(key, value) for key, value in found.items() if isinstance(key, str) and isinstance(value, str)]
    return dict(pairs[:MAX_ANNOTATIONS])


def _broken(what: str, where: str) -> InputError:
    return InputError(f"the manifest cannot be read: {what}", where=where, cure="push the artifact again")
