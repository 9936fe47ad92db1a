"""Which format a model is, by its bytes. Names and encoding numbers lie; the first bytes do not.

========== ==============================================================
onnx       protobuf with an IR version (field 1) and a graph (field 7)
tflite     flatbuffer with the identifier ``TFL3`` at bytes 4 to 8
tensorflow frozen TensorFlow 1 graph: protobuf whose field 1 is a node
savedmodel directory with ``saved_model.pb`` (TensorFlow 1 and 2)
openvino   OpenVINO IR: XML with a ``<net>`` root, weights beside it
========== ==============================================================
"""

from __future__ import annotations

import mmap
import stat
from pathlib import Path
from typing import Literal

from weft.core.errors import ModelError, NotFoundError
from weft.nn.wire import LENGTH, VARINT, Sliceable, WireError, fields

Format = Literal["onnx", "tflite", "tensorflow", "savedmodel", "openvino"]
SAVED_MODEL = "saved_model.pb"
READABLE = "ONNX, TFLite, a frozen TensorFlow graph, a SavedModel directory or OpenVINO IR (.xml with .bin)"

_HINTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"RIFF", "a WebP picture or a sound or video file"),
    (b"\0asm", "a WebAssembly module"),
    (b"\x7fELF", "a compiled program"),
    (b"\x89HDF", "an HDF5 file (Keras weights)"),
    (b"PK\x03\x04", "a zip archive (PyTorch and Keras files are)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"GGUF", "a GGUF language model"),
    (b"%PDF", "a PDF document"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"<!doctype html", "a web page, perhaps a failed download"),
    (b"<html", "a web page, perhaps a failed download"),
    (b"{", "a JSON document"),
)
# What the messages begin with: an ONNX model its IR version, a TensorFlow graph its first node.
_FIRST_TAGS = (b"\x08", b"\x0a")
_CURES = {
    "a Git LFS pointer, not the file itself": "fetch the file itself: git lfs pull",
    "a zip archive (PyTorch and Keras files are)": "export the model as ONNX or TFLite",
}


def sniff_path(path: Path) -> Format:
    """The format of a file or SavedModel directory.

    Raises NotFoundError when nothing is there and ModelError for what is no model, or only part of one.
    """
    if any("\ud800" <= char <= "\udfff" for char in str(path)):
        cure = "rename it, or its folder"
        raise ModelError("the path is no UTF-8, and engines open no other", where=str(path), cure=cure)
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            return _sniff_directory(path)
        if not stat.S_ISREG(kind):
            raise ModelError("a pipe or device, not a file", where=str(path), cure="save the model to a file first")
        with path.open("rb") as file:
            if not file.seek(0, 2):
                raise ModelError("the file is empty", where=str(path), cure="fetch or export the model again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return sniff(view, where=str(path))
    except FileNotFoundError:
        raise NotFoundError("no such model file", where=str(path), cure="check the path") from None
    except OSError as error:
        cure = "check the path, its owner and its mode"
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error


def sniff(data: Sliceable, where: str = "") -> Format:
    """The format of a model's first part; ModelError for what is no model, or only part of one."""
    head = bytes(data[0:1024])
    if not head:
        raise ModelError("the model is empty", where=where, cure=f"give {READABLE}")
    if head[4:8] == b"TFL3":
        return "tflite"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"<?xml", b"<net")):
        if b"<net" in text:
            return "openvino"
        raise ModelError("an XML document, but not OpenVINO IR", where=where, cure=f"give {READABLE}")
    _refuse_known(head, text.lower(), where)
    return _sniff_protobuf(data, where)


def _sniff_directory(path: Path) -> Format:
    if (path / SAVED_MODEL).is_file():
        return "savedmodel"
    raise ModelError(f"a directory without {SAVED_MODEL}", where=str(path), cure=f"give {READABLE}")


def _refuse_known(head: bytes, text: bytes, where: str) -> None:
    if head[4:8] == b"ORTM":
        raise ModelError("is in ORT format", where=where, cure="give the ONNX file it was made from")
    for magic, name in _HINTS:
        if head.startswith(magic) or text.startswith(magic):
            raise ModelError(f"is {name}, not a model", where=where, cure=_CURES.get(name, f"give {READABLE}"))
    if head.isascii() and head.translate(None, b"\t\r\n").decode().isprintable():
        raise ModelError("is a text file, not a model", where=where, cure=f"give {READABLE}")


def _sniff_protobuf(data: Sliceable, where: str) -> Format:
    """Walks the top level. A message that ends early is told apart from bytes that never were one."""
    kinds: dict[int, int] = {}
    first = (0, 0)
    try:
        for number, kind, start, stop in fields(data):
            first = first if kinds else (start, stop)
            kinds.setdefault(number, kind)
    except WireError as error:
        if error.needed is not None and bytes(data[0:1]) in _FIRST_TAGS:
            what = f"truncated: it needs at least {error.needed} bytes and has {len(data)}"
            raise ModelError(what, where=where, cure="fetch or export the model again") from error
        kinds = {}
    if kinds.get(1) == VARINT and kinds.get(7) == LENGTH:
        return "onnx"
    if kinds.get(1) == VARINT and kinds.get(2) == LENGTH:
        raise ModelError("the inside of a SavedModel", where=where, cure=f"give the directory that holds {SAVED_MODEL}")
    if kinds.get(1) == LENGTH and _is_node(data, *first):
        return "tensorflow"
    raise ModelError("is no model Weft knows", where=where, cure=f"give {READABLE}")


def _is_node(data: Sliceable, start: int, stop: int) -> bool:
    """Whether a message looks like TensorFlow's NodeDef: a name (1) and an operation (2), both text."""
    try:
        texts = {number: bytes(data[a:b]) for number, kind, a, b in fields(data, start, stop) if kind == LENGTH}
    except WireError:
        return False
    operation = texts.get(2, b"")
    return 1 in texts and operation.isascii() and operation.decode("ascii", "replace").lstrip("_").isidentifier()
