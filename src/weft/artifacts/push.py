"""Making artifacts of files, and sending them to a registry. What is sent is in the store, too, under its name."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from weft.artifacts.digest import Descriptor
from weft.artifacts.http import Http
from weft.artifacts.kinds import (
    FILE_PATH,
    MODEL_CONFIG,
    MODEL_TYPE,
    TITLE,
    WASM_CONFIG,
    WASM_LAYER,
    kind_of,
)
from weft.artifacts.manifest import MANIFEST, Manifest, parse_manifest, write_json
from weft.artifacts.pull import run_all
from weft.artifacts.reference import OciReference, parse_oci
from weft.artifacts.references import Entry, References
from weft.artifacts.registry import Registry
from weft.artifacts.settings import Settings
from weft.artifacts.store import Store
from weft.artifacts.unpack import safe_name
from weft.artifacts.upload import upload
from weft.core.errors import InputError, NotFoundError, UsageError

MAX_FILES = 1000
EPOCH = "SOURCE_DATE_EPOCH"

_CORE, _COMPONENT = b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"
_FORMATS = {".onnx": "onnx", ".tflite": "tflite", ".xml": "openvino", ".pb": "tensorflow", ".gguf": "gguf"}
_FORMATS |= {".safetensors": "safetensors"}
_CONFIGS = (".json", ".yaml", ".yml", ".txt", ".csv", ".pbtxt", ".toml")
_DOCS = (".md", ".rst", ".pdf")
_DOC_NAMES = ("readme", "license", "notice", "copying")


@dataclass(frozen=True, slots=True)
class Component:
    """What a component takes and gives, by the names of its interfaces."""

    imports: Sequence[str] = ()
    exports: Sequence[str] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class Packed:
    """An artifact that is in the store and can be sent."""

    manifest: Manifest
    files: Mapping[str, str] = field(default_factory=dict)
    """Names of files by their digests."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """An artifact that is in the registry: its entry in the store, and what became of its blobs."""

    entry: Entry
    manifest: Manifest
    blobs: Mapping[str, str]
    """``there``, ``mounted`` or ``sent``, by digest."""


def pack_wasm(
    store: Store, path: Path, component: Component | None = None, annotations: Mapping[str, str] | None = None
) -> Packed:
    """A Wasm artifact of a module or component. Raises InputError for a file that is none."""
    start = _start(path)
    if start not in (_CORE, _COMPONENT):
        model = path.suffix in _FORMATS
        cure = "weft model push sends models" if model else "give a .wasm file; weft build makes one"
        raise InputError("that is no WebAssembly module", where=str(path), cure=cure)
    blob = store.add_file(path)
    layer = Descriptor(WASM_LAYER, blob.digest, blob.size, {TITLE: path.name})
    config: dict[str, object] = {
        "created": _time(path),
        "architecture": "wasm",
        "os": "wasip1" if start == _CORE else "wasip2",
        "layerDigests": [blob.digest],
    }
    if start == _COMPONENT and component is not None:
        target = {"target": component.target} if component.target else {}
        config["component"] = {"exports": list(component.exports), "imports": list(component.imports), **target}
    return _packed(store, WASM_CONFIG, config, [layer], annotations, "")


def pack_model(store: Store, paths: Sequence[Path], annotations: Mapping[str, str] | None = None) -> Packed:
    """A ModelPack artifact of files, and of the files in folders.

    Raises NotFoundError, InputError (a module is no model), UsageError and OutputError.
    """
    named = _named(paths)
    layers = [_model_layer(store, path, name) for path, name in named]
    layers.sort(key=lambda layer: layer.annotations[FILE_PATH])
    weights = [layer for layer in layers if ".weight.v1." in layer.media_type]
    if not weights:
        known = ", ".join(_FORMATS)
        raise UsageError("there is no model among the files", cure=f"name one: {known}, or a SavedModel folder")
    main = next((layer for layer in weights if Path(layer.annotations[FILE_PATH]).suffix in _FORMATS), weights[0])
    name = Path(main.annotations[FILE_PATH])
    held = next(path for path, called in named if called == main.annotations[FILE_PATH])
    if _start(held) in (_CORE, _COMPONENT):
        raise InputError("that is a WebAssembly module, no model", where=str(held), cure="weft push sends functions")
    config = {
        "descriptor": {"createdAt": _time(*paths), "name": name.stem},
        "modelfs": {"type": "layers", "diffIds": [layer.digest for layer in layers]},
        "config": {"format": _FORMATS[name.suffix]} if name.suffix in _FORMATS else {},
    }
    return _packed(store, MODEL_CONFIG, config, layers, annotations, MODEL_TYPE)


def _packed(
    store: Store,
    config_type: str,
    config: Mapping[str, object],
    layers: list[Descriptor],
    annotations: Mapping[str, str] | None,
    artifact_type: str,
) -> Packed:
    kept = store.add(write_json(config))
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": MANIFEST}
    if artifact_type:
        document["artifactType"] = artifact_type
    document["config"] = Descriptor(config_type, kept.digest, kept.size).record()
    document["layers"] = [layer.record() for layer in layers]
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    raw = write_json(document)
    store.add(raw)
    manifest = parse_manifest(raw, "the new artifact")
    assert isinstance(manifest, Manifest)
    return Packed(manifest, {layer.digest: layer.annotations.get(TITLE, "") for layer in layers})


async def push(
    packed: Packed, reference: OciReference, store: Store, settings: Settings, *, also: Iterable[str] = ()
) -> Pushed:
    """Send an artifact: its blobs, then its manifest under its digest, its tag, and the tags in ``also``.

    Raises DeniedError, UnavailableError, OutputError, and UsageError for a reference without a tag.
    """
    if not reference.tag or reference.digest:
        cure = "write REGISTRY/REPOSITORY:TAG; the digest comes of what is pushed"
        raise UsageError("a push needs a tag", where=reference.name, cure=cure)
    async with Http(settings) as http:
        registry = Registry(http, reference, write=True)
        origins = await asyncio.to_thread(_origins, store, reference, packed.manifest)
        for origin in sorted(set(origins.values())):
            registry.may_mount(origin)
        sent = await _send(registry, packed, store, origins, settings.parallel)
        names = (packed.manifest.digest, reference.tag, *also)
        await registry.put_manifest(packed.manifest.raw, packed.manifest.media_type, names)
    kind, _ = kind_of(packed.manifest, reference.name)
    entry = References(store).put(reference.name, packed.manifest.digest, packed.manifest, kind, {})
    return Pushed(entry, packed.manifest, sent)


async def _send(
    registry: Registry, packed: Packed, store: Store, origins: Mapping[str, str], parallel: int
) -> dict[str, str]:
    turns = asyncio.Semaphore(parallel)

    async def send(part: Descriptor) -> tuple[str, str]:
        """Send one part: its digest, and how it came there."""
        async with turns:
            name = packed.files.get(part.digest) or part.digest[7:19]
            return part.digest, await upload(
                registry, part, store.path(part.digest), name, origins.get(part.digest, "")
            )

    return dict(await run_all(send(part) for part in packed.manifest.blobs))


def _origins(store: Store, reference: OciReference, manifest: Manifest) -> dict[str, str]:
    """Repositories of the same registry that have some of the blobs, as far as the store knows: one of them."""
    wanted = {part.digest for part in manifest.blobs}
    references = References(store)
    for entry in references.all():
        if not entry.reference.startswith(f"oci://{reference.host}/"):
            continue
        other = parse_oci(entry.reference).repository
        shared = wanted & {part.digest for part in references.parts(entry)}
        if other != reference.repository and shared:
            return dict.fromkeys(shared, other)
    return {}


def _named(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            found += [(file, f"{path.resolve().name}/{file.relative_to(path).as_posix()}") for file in inside]
        else:
            found.append((path, path.name))
    if len(found) > MAX_FILES:
        raise UsageError(f"{len(found)} files", cure=f"an artifact has at most {MAX_FILES}: name the model's own")
    names = [name for _, name in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"'{min(twice)}' is there twice", cure="rename one: files are told apart by name")
    return found


def _model_layer(store: Store, path: Path, name: str) -> Descriptor:
    safe_name(name, str(path))
    blob = store.add_file(path)
    kind = f"application/vnd.cncf.model.{_role(Path(name))}.v1.raw"
    return Descriptor(kind, blob.digest, blob.size, {FILE_PATH: name, TITLE: name})


def _role(path: Path) -> str:
    if path.suffix.lower() in _DOCS or path.name.lower().startswith(_DOC_NAMES):
        return "doc"
    return "weight.config" if path.suffix.lower() in _CONFIGS else "weight"


def is_component(path: Path) -> bool:
    """Whether a file is a component. Raises NotFoundError."""
    return _start(path) == _COMPONENT


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise NotFoundError(what, where=str(path), cure="check the path") from error


def _time(*paths: Path) -> str:
    """When the newest file was changed: the same files make the same artifact. ``SOURCE_DATE_EPOCH`` goes first."""
    text = os.environ.get(EPOCH, "")
    seconds = int(text) if text.isdecimal() else int(max(path.stat().st_mtime for path in paths))
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
