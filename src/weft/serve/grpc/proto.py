"""Reads the ``.proto`` files of this folder: of proto3, what they use.

There is no generated code, so none can be out of date; and the messages live in a pool of their own. Protobuf's default
pool is one per process and takes each name once: a client of the same protocol has its messages there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TOKEN = re.compile(r'"[^"]*"|[\w.]+|[^\s\w]')
_COMMENT = re.compile(r"//[^\n]*")
_SCALARS = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")
}
_FILES = ("inference", "health", "reflection", "status")

Descriptor = Any
"""One of protobuf's descriptors; its package has no types."""


@cache
def pool() -> Any:
    """The pool of all messages here."""
    made = descriptor_pool.DescriptorPool()
    for name in _FILES:
        path = Path(__file__).with_name(f"{name}.proto")
        made.AddSerializedFile(parse(path.read_text(encoding="utf-8"), path.name).SerializeToString())
    return made


@cache
def message(name: str) -> Any:
    """The class of a message, by its full name; KeyError for one that is not there."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def parse(text: str, name: str) -> Any:
    """What a ``.proto`` file says, as protobuf's FileDescriptorProto."""
    found = descriptor_pb2.FileDescriptorProto(name=name, syntax="proto3")
    tokens = iter(_TOKEN.findall(_COMMENT.sub("", text)))
    for word in tokens:
        if word == "message":
            _message(tokens, found.message_type.add())
        elif word == "enum":
            _enum(tokens, found.enum_type.add())
        elif word == "service":
            _service(tokens, found.service.add())
        else:
            statement = _until(tokens, ";")
            if word == "package":
                found.package = statement[0]
    return found


def _message(tokens: Iterator[str], into: Descriptor) -> None:
    into.name, _ = next(tokens), next(tokens)
    for word in tokens:
        if word == "}":
            return
        if word == "message":
            _message(tokens, into.nested_type.add())
        elif word == "enum":
            _enum(tokens, into.enum_type.add())
        elif word == "oneof":
            _oneof(tokens, into)
        elif word == "map":
            _map(_until(tokens, ";"), into)
        elif word == "repeated":
            _field(_until(tokens, ";"), into).label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        else:
            _field([word, *_until(tokens, ";")], into)


def _field(words: list[str], into: Descriptor) -> Descriptor:
    """``TYPE NAME = NUMBER``."""
    kind, name, _, number = words
    field = into.field.add(name=name, number=int(number), label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type_name = kind  # the pool finds out whether it is a message
    return field


def _oneof(tokens: Iterator[str], into: Descriptor) -> None:
    index = len(into.oneof_decl)
    into.oneof_decl.add(name=next(tokens))
    next(tokens)
    while (word := next(tokens)) != "}":
        _field([word, *_until(tokens, ";")], into).oneof_index = index


def _map(words: list[str], into: Descriptor) -> None:
    """``< KEY , VALUE > NAME = NUMBER``: a repeated message of key and value."""
    _, key, _, value, _, name, _, number = words
    entry = into.nested_type.add(name=name.title().replace("_", "") + "Entry")
    entry.options.map_entry = True
    _field([key, "key", "=", "1"], entry)
    _field([value, "value", "=", "2"], entry)
    _field([entry.name, name, "=", number], into).label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED


def _enum(tokens: Iterator[str], into: Descriptor) -> None:
    into.name, _ = next(tokens), next(tokens)
    while (name := next(tokens)) != "}":
        into.value.add(name=name, number=int(_until(tokens, ";")[-1]))


def _service(tokens: Iterator[str], into: Descriptor) -> None:
    into.name, _ = next(tokens), next(tokens)
    while next(tokens) != "}":
        name, *words = _until(tokens, ";")
        given, taken = " ".join(words).split("returns")
        method = into.method.add(name=name, input_type=given.split()[-2], output_type=taken.split()[-2])
        method.client_streaming, method.server_streaming = "stream" in given, "stream" in taken


def _until(tokens: Iterator[str], end: str) -> list[str]:
    return list(iter(lambda: next(tokens), end))
