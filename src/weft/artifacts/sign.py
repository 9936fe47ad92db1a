"""Signing an artifact: its signatures get one more, beside those that are there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from weft.artifacts.digest import Descriptor
from weft.artifacts.http import MAX_ANSWER, Http
from weft.artifacts.keys import PrivateKey, PublicKey
from weft.artifacts.kinds import SIGNATURE_LAYER
from weft.artifacts.manifest import MANIFEST, Manifest, parse_manifest, write_json
from weft.artifacts.payload import Payload, identity_of
from weft.artifacts.push import Packed, push
from weft.artifacts.reference import OciReference
from weft.artifacts.registry import Registry
from weft.artifacts.settings import Settings
from weft.artifacts.signature import KEY, MAX_SIGNATURES, SIGNATURE, Demand, Signed, judge, signature_tag
from weft.artifacts.store import Store
from weft.core.errors import InputError, NotFoundError, OutputError

CONFIG = "application/vnd.oci.image.config.v1+json"
_NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Signing:
    """What became of a signature.

    Attributes:
        digest: what was signed.
        identity: the name it was signed for.
        key: the public part of the key.
        tag: where its signatures are.
        count: how many it has now.
        added: False where this key had signed the same before.
    """

    digest: str
    identity: str
    key: PublicKey
    tag: str
    count: int
    added: bool


async def sign(
    reference: OciReference,
    key: PrivateKey,
    store: Store,
    settings: Settings,
    *,
    digest: str = "",
    identity: str = "",
    optional: Mapping[str, str] | None = None,
) -> Signing:
    """Sign an artifact that is in a registry: what ``digest`` says, else what its name stands for there.

    ``identity`` is the name it is signed for, where it is not its own registry and repository. Of two who sign at the
    same moment, the registry may keep one: it has no way to tell them.
    Raises NotFoundError, DeniedError, InputError, OutputError, UnavailableError.
    """
    store.prepare()
    async with Http(settings) as http:
        registry = Registry(http, reference, write=True)
        if not digest:
            digest = (await registry.manifest(reference.digest or reference.tag)).digest
        payload = Payload(identity or identity_of(reference), digest, optional or {})
        layers = await _there(registry, reference.tagged(signature_tag(digest)), store)
    tag, public, raw = signature_tag(digest), key.public, payload.raw()
    demand = Demand((public,), identity=payload.identity)
    for layer in layers:
        same = store.add(raw).digest == layer.digest
        if same and isinstance(judge(reference, digest, layer, raw, demand), Signed):
            return Signing(digest, payload.identity, public, tag, len(layers), added=False)
    if len(layers) >= MAX_SIGNATURES:
        raise OutputError(f"it has {len(layers)} signatures", where=reference.name, cure="delete those of old keys")
    layers.append(_layer(store, raw, key.sign(raw), public))
    await push(Packed(_manifest(store, layers)), reference.tagged(tag), store, settings)
    return Signing(digest, payload.identity, public, tag, len(layers), added=True)


async def _there(registry: Registry, beside: OciReference, store: Store) -> list[Descriptor]:
    """The signatures that there are, with their payloads in the store."""
    try:
        found = await registry.manifest(beside.tag)
    except NotFoundError:
        return []
    cure = "delete that tag, if nothing else needs it, and sign again"
    if not isinstance(found, Manifest) or any(part.media_type != SIGNATURE_LAYER for part in found.layers):
        raise InputError("something else than signatures has their tag", where=beside.name, cure=cure)
    if sum(part.size for part in found.layers) > MAX_ANSWER:
        raise InputError("its signatures are larger than 1 MiB", where=beside.name, cure=cure)
    for part in found.layers:
        store.add(await registry.small_blob(part))
    return list(found.layers)


def _layer(store: Store, payload: bytes, signature: bytes, key: PublicKey) -> Descriptor:
    blob = store.add(payload)
    notes = {SIGNATURE: base64.b64encode(signature).decode(), KEY: key.digest}
    return Descriptor(SIGNATURE_LAYER, blob.digest, blob.size, notes)


def _manifest(store: Store, layers: list[Descriptor]) -> Manifest:
    """As cosign makes it: an image whose layers are payloads."""
    config = {
        "architecture": "",
        "created": _NEVER,
        "history": [{"created": _NEVER} for _ in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "config": {},
    }
    kept = store.add(write_json(config))
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, kept.digest, kept.size).record(),
        "layers": [layer.record() for layer in layers],
    }
    raw = write_json(document)
    store.add(raw)
    manifest = parse_manifest(raw, "the signature")
    assert isinstance(manifest, Manifest)
    return manifest
