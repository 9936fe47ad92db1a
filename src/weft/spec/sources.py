"""The types of sources that give one stream, as plain data: for whoever offers them outside a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from weft.core.units import format_duration, format_size
from weft.spec.endpoints import Source
from weft.spec.graph import MANY
from weft.spec.values import Duration, Size

PLACES = ("path", "device", "url", "topic")
"""What stands without its option's name on the command line; the first that a type has."""

_UNITS: tuple[tuple[Any, Callable[[Any], str]], ...] = ((Duration, format_duration), (Size, format_size))


@dataclass(frozen=True, slots=True)
class Option:
    """What a document may say of a source, where one word says it.

    Attributes:
        name: its key.
        kind: str, int, float, bool or a Literal.
        about: what it means.
        required: it has no default.
        default: None where there is none; a picture size, a duration and a size of bytes as they are written.
    """

    name: str
    kind: Any
    about: str
    required: bool
    default: Any


@dataclass(frozen=True, slots=True)
class SourceType:
    """A type of source.

    Attributes:
        name: its ``type`` in documents.
        about: what it is, in a sentence.
        options: its keys, but for ``type`` and ``stream``.
    """

    name: str
    about: str
    options: tuple[Option, ...]


def source_types() -> list[SourceType]:
    """The types that give one stream of frames, in the order of the documentation."""
    branches = get_args(get_args(Source)[0])
    models = [get_args(branch)[0] for branch in branches]
    return [_described(model) for model in models if _name(model) not in MANY]


def _described(model: type[BaseModel]) -> SourceType:
    about = (model.__doc__ or "").strip().splitlines()[0]
    return SourceType(_name(model), about, tuple(_options(model)))


def _name(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["type"].annotation)[0])


def _options(model: type[BaseModel]) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        kind = str if _unit(field) else _kind(field.annotation)
        if kind is not None and name not in ("type", "stream"):
            about = (field.description or "").replace("`", "")
            yield Option(name, kind, about, field.is_required(), _default(field))


def _unit(field: FieldInfo) -> Callable[[Any], str] | None:
    """How a duration or a size is written with its unit; None for what has none."""
    marks = [*field.metadata, *(mark for part in get_args(field.annotation) for mark in get_args(part)[1:])]
    return next((write for kind, write in _UNITS if get_args(kind)[1] in marks), None)


def _default(field: FieldInfo) -> Any:
    value = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    write = _unit(field)
    if write is not None and value is not None:
        return write(value).replace(" ", "").replace(".0", "")
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def _kind(annotation: Any) -> Any:
    """The kind of an option; None for what only a document can say."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [_kind(part) for part in get_args(annotation) if part is not NoneType]
        return kinds[0] if len(kinds) == 1 else None
    if annotation in (str, int, float, bool) or get_origin(annotation) is Literal:
        return annotation
    return str if annotation == tuple[int, int] else None
