"""What an artifact is: its layers as files with names, by the media types of those who push artifacts.

Wasm artifacts (also ``wkg``'s and the older layer types), CNCF ModelPack, KitOps ModelKits, and plain files as ``oras``
pushes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from weft.artifacts.digest import Descriptor, short
from weft.artifacts.manifest import EMPTY, Manifest
from weft.core.errors import InputError

Kind = Literal["wasm", "model", "modelkit", "files", "signature"]
Packing = Literal["raw", "tar", "tar+gzip", "tar+zstd"]

WASM_CONFIG = "application/vnd.wasm.config.v0+json"
WASM_LAYER = "application/wasm"
WASM_LAYERS = (
    WASM_LAYER,
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
)
"""Today's layer type, and the older ones."""

MODEL_TYPE = "application/vnd.cncf.model.manifest.v1+json"
MODEL_CONFIG = "application/vnd.cncf.model.config.v1+json"
FILE_PATH = "org.cncf.model.filepath"
TITLE = "org.opencontainers.image.title"
SIGNATURE_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"

_FOLDER = "application/vnd.oci.image.layer.v1.tar+gzip"
_UNPACK = "io.deis.oras.content.unpack"
_PATHS = (FILE_PATH, "org.cnai.model.filepath", TITLE)
_MODEL = re.compile(
    r"application/vnd\.(?:cncf|cnai)\.model\.(weight\.config|weight|doc|code|dataset)\.v1\.(raw|tar|tar\+gzip|tar\+zstd)"
)
_KIT = re.compile(r"application/vnd\.kitops\.(?:modelkit\.)?([a-z]+)(?:\.[a-z]+)?\.v1\.(tar|tar\+gzip|tar\+zstd)")
_IMAGES = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as a file, or as an archive of files.

    Attributes:
        part: the blob.
        role: ``module``, ``weight``, ``weight.config``, ``doc``, ``code``, ``dataset``, ``model`` or ``file``.
        packing: ``raw`` for a file as it is.
        name: where the file goes, as written by who pushed it; empty where an archive's entries say that.
    """

    part: Descriptor
    role: str
    packing: Packing
    name: str


def kind_of(manifest: Manifest, where: str) -> tuple[Kind, tuple[Layer, ...]]:
    """What an artifact is, and its layers. Raises InputError, which lists what there is, for one Weft cannot use."""
    types = {layer.media_type for layer in manifest.layers}
    if types & set(WASM_LAYERS):
        return "wasm", (_wasm(manifest, where),)
    if any(_MODEL.fullmatch(kind) for kind in types):
        return "model", tuple(_layers(manifest.layers, _MODEL, where))
    if any(_KIT.fullmatch(kind) for kind in types):
        return "modelkit", tuple(_layers(manifest.layers, _KIT, where))
    if types == {SIGNATURE_LAYER}:
        return "signature", ()
    if not types or manifest.config.media_type in _IMAGES or not all(_named(layer) for layer in manifest.layers):
        raise _unusable(manifest, where)
    return "files", tuple(_file(layer) for layer in manifest.layers if layer.media_type != EMPTY)


def _wasm(manifest: Manifest, where: str) -> Layer:
    modules = [layer for layer in manifest.layers if layer.media_type in WASM_LAYERS]
    if len(manifest.layers) != 1:
        what = f"a Wasm artifact has one layer, this one {len(manifest.layers)}"
        raise InputError(what, where=where, cure=_there(manifest))
    title = _name(modules[0])
    name = title if title.endswith((".wasm", ".wat", ".cwasm")) else f"{title or where_name(where)}.wasm"
    return Layer(modules[0], "module", "raw", name)


def where_name(where: str) -> str:
    """A file's name for a module that has none: the last part of its repository."""
    return re.split(r"[:@]", where.rsplit("/", 1)[-1])[0] or "module"


def _layers(layers: Iterable[Descriptor], known: re.Pattern[str], where: str) -> Iterable[Layer]:
    for layer in layers:
        match = known.fullmatch(layer.media_type)
        if match is None:
            if not _named(layer):
                cure = "push it again without that layer, or look at it with oras or skopeo"
                raise InputError(f"Weft does not know the layer type {layer.media_type}", where=where, cure=cure)
            yield _file(layer)
            continue
        packing: Packing = match[2]  # type: ignore[assignment]  # the pattern has no others
        name = _name(layer)
        if packing == "raw" and not name:
            raise InputError(
                f"the file {short(layer.digest)} has no name", where=where, cure=f"annotate it: {FILE_PATH}"
            )
        yield Layer(layer, match[1], packing, name if packing == "raw" else "")


def _file(layer: Descriptor) -> Layer:
    """A file, or the folder that oras packs: its Go program says so, its Python package by the media type alone."""
    said, archive = layer.annotations.get(_UNPACK), _name(layer).endswith((".gz", ".tgz"))
    packed = said == "true" or (said is None and layer.media_type == _FOLDER and not archive)
    return Layer(layer, "file", "tar+gzip" if packed else "raw", "" if packed else _name(layer))


def _named(layer: Descriptor) -> bool:
    return bool(_name(layer)) or layer.media_type == EMPTY


def _name(layer: Descriptor) -> str:
    return next((layer.annotations[key] for key in _PATHS if layer.annotations.get(key)), "")


def _unusable(manifest: Manifest, where: str) -> InputError:
    image = manifest.config.media_type in _IMAGES
    what = "it is a container image" if image else "it is no function and no model that Weft knows"
    return InputError(what, where=where, cure=_there(manifest))


def _there(manifest: Manifest) -> str:
    types = sorted({layer.media_type for layer in manifest.layers})
    more = " …" if len(types) > 8 else ""
    config = f"its config is {manifest.config.media_type}"
    return f"{config}, its layers are {', '.join(types[:8]) or 'none'}{more}; Weft takes {WASM_LAYER}, CNCF ModelPack, \
KitOps ModelKits, and files that have titles"
