"""Tensors that an ONNX model keeps in other files.

An engine opens whatever file such a tensor names, also for a model that came as bytes: a guest could have any
file of the host read to it as weights. So a model in memory may not name files at all, and a model in a file
only those inside its own folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weft.core.errors import ModelError, NotFoundError
from weft.nn.formats import Format
from weft.nn.wire import LENGTH, Sliceable, WireError, fields, flatbuffer_has

# Where messages of onnx.proto hold other messages on the way to a TensorProto: {message: {field: message}}.
_INSIDE: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
}
_DEPTH = 40
_TFLITE_EXTERNAL = (8, 9)  # the root table's external_buffer_groups, external_buffers


def external_files(path: Path, kind: Format, data: Sliceable) -> list[Path]:
    """The other files that a model in a file needs, in the order of their names.

    Raises ModelError for one outside the model's folder and NotFoundError for one that is not there.
    """
    return [_inside(path, name) for name in _names(kind, data, str(path))]


def refuse_external(kind: Format, data: Sliceable) -> None:
    """ModelError for a model in memory that names files of this machine."""
    if names := _names(kind, data, ""):
        raise ModelError(
            f"the model keeps tensors in another file ('{names[0]}'), which one given as bytes may not do",
            cure="save it with its weights inside, or give it by path",
        )


def _names(kind: Format, data: Sliceable, where: str) -> list[str]:
    if kind == "tflite" and any(flatbuffer_has(data, field) for field in _TFLITE_EXTERNAL):
        raise ModelError(
            "the model keeps buffers in other files", where=where, cure="convert it with its weights inside"
        )
    # Whoever names a file needs the key "location", so most models are told by one search.
    if kind != "onnx" or data.find(b"location") < 0:
        return []
    try:
        return sorted(set(_locations(data, "Model", 0, len(data), 0)))
    except WireError as error:
        raise ModelError(f"damaged: {error}", where=where, cure="fetch or export the model again") from error


def _locations(data: Sliceable, message: str, start: int, end: int, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        raise WireError(f"graphs nested more than {_DEPTH} messages deep")
    inside = _INSIDE.get(message, {})
    for number, kind, at, stop in fields(data, start, end):
        if kind != LENGTH or number not in inside:
            continue
        if inside[number] == "Entry":
            yield from _location(data, at, stop)
        else:
            yield from _locations(data, inside[number], at, stop, depth + 1)


def _location(data: Sliceable, start: int, end: int) -> Iterator[str]:
    entry = {number: bytes(data[at:stop]) for number, _, at, stop in fields(data, start, end)}
    if entry.get(1) == b"location":
        yield entry.get(2, b"").decode(errors="replace")


def _inside(path: Path, name: str) -> Path:
    folder = path.parent.resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        what = f"the model names '{name}', which is outside its folder"
        raise ModelError(what, where=str(path), cure="keep its weights beside the model")
    if not file.is_file():
        what = f"the model keeps its weights in '{name}', which is not there"
        raise NotFoundError(what, where=str(path), cure=f"put it into {folder}")
    return file
