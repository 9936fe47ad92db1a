"""The reference of the pipeline document, from the models that check it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from weft.core.units import format_duration, format_size
from weft.spec import cameras, classify, classify_values, delivery, endpoints, function, site, values
from weft.spec.pipeline import PipelineSpec

Section = tuple[str, str, tuple[type[BaseModel], ...]]
"""Its title, what it is about, and the parts of the document it lists."""

SECTIONS: tuple[Section, ...] = (
    ("The document", "", (PipelineSpec,)),
    (
        "Sources",
        "`sources:` Where frames enter. The `type` says which one it is.",
        (
            endpoints.VideoSource,
            endpoints.CameraSource,
            endpoints.MqttSource,
            endpoints.HttpSource,
            endpoints.PicturesSource,
            endpoints.PatternSource,
            endpoints.LinesSource,
            endpoints.StreamSource,
            endpoints.RecordingSource,
        ),
    ),
    ("Cameras", "`retry:` of a camera, a broker and a web server.", (cameras.CameraRetry,)),
    ("Functions", "`functions:` What is done with frames.", (function.FunctionSpec,)),
    ("Models", "`models:` of a function.", (function.ModelUse,)),
    ("Grants", "`grants:` of a function.", (function.Grants,)),
    ("State", "`state:` of the grants.", (function.StateUse,)),
    ("Limits", "`limits:` of a function.", (function.Limits,)),
    ("Errors", "`on_error:` of a function.", (function.OnError, function.ErrorStream)),
    (
        "Sinks",
        "`sinks:` Where results leave. The `type` says which one it is.",
        (
            endpoints.ConsoleSink,
            endpoints.JsonLinesSink,
            endpoints.VideoSink,
            endpoints.DirectorySink,
            endpoints.StreamSink,
        ),
    ),
    (
        "The site",
        "`streams:` The site whose streams the pipeline shares. See [streams](streams.md).",
        (site.SiteUse,),
    ),
    (
        "Queues",
        "`queue:` of functions and sinks, and of live sources.",
        (endpoints.Queue, endpoints.LiveQueue, endpoints.MessageQueue, endpoints.StreamQueue),
    ),
    ("Spools", "`spool:` of `stream` sinks and of `streams:`.", (delivery.SpoolUse,)),
)

_KINDS: dict[int, str] = {
    id(get_args(kind)[1]): name
    for kind, name in (
        (values.Size, "size"),
        (values.Duration, "duration"),
        (values.Age, "duration"),
        (delivery.ConsumerName, "name"),
        (values.Text, "text"),
        (values.StageName, "name"),
        (values.StreamName, "stream"),
        (values.StreamPattern, "stream or pattern"),
        (values.FilePath, "path"),
        (values.PictureSize, "picture size"),
        (site.Endpoint, "endpoint"),
        (site.SiteName, "name"),
        (function.DirText, "directory grant"),
        (function.Capability, "capability"),
        (classify_values.InputSize, "picture size"),
        (classify_values.Mean, "number or three"),
        (classify_values.Std, "number or three"),
    )
}
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false"}
_LINKS = {
    endpoints.Queue: "[queue](#queues)",
    endpoints.LiveQueue: "[queue](#queues)",
    endpoints.MessageQueue: "[queue](#queues)",
    endpoints.StreamQueue: "[queue](#queues)",
    site.SiteUse: "[site](#the-site)",
    delivery.SpoolUse: "[spool](#spools)",
    cameras.CameraRetry: "[retry](#cameras)",
    function.Grants: "[grants](#grants)",
    function.Limits: "[limits](#limits)",
    function.StateUse: "size or [state](#state)",
    function.ModelUse: "path or [model](#models)",
    function.OnError: "`skip`, `fail` or [more](#errors)",
    function.ErrorStream: "`{stream: NAME}`",
    function.FunctionSpec: "[function](#functions)",
    classify.ClassifierModel: "path or [model](#the-model)",
    classify.ClassifierInput: "[input](#the-input)",
    classify.ClassifierOutput: "[output](#the-output)",
    classify.Label: "path, list or [label](#labels)",
}


def reference() -> str:
    """All sections as Markdown, headings from the third level down."""
    return reference_of(SECTIONS)


def reference_of(sections: Iterable[Section]) -> str:
    """Sections as Markdown, headings from the third level down."""
    return "\n".join(line for section in sections for line in _section(*section))


def _section(title: str, about: str, parts: tuple[type[BaseModel], ...]) -> Iterator[str]:
    yield from (f"### {title}", "")
    if about:
        yield from (about, "")
    for part in parts:
        tag = _tag(part)
        if tag:
            yield from (f"#### `type: {tag}`", "")
        yield from (_paragraphs(part), "")
        yield from ("| key | value | default | what |", "|---|---|---|---|")
        fields = sorted(part.model_fields.items(), key=lambda item: not item[1].is_required())
        yield from (_row(field.alias or name, field) for name, field in fields if not (tag and name == "type"))
        yield ""


def _tag(part: type[BaseModel]) -> str:
    """The ``type`` that tells a part from others of its union; empty for a part that has none."""
    field = part.model_fields.get("type")
    return str(get_args(field.annotation)[0]) if field and field.is_required() else ""


def _paragraphs(part: type[BaseModel]) -> str:
    lines = (part.__doc__ or "").strip().splitlines()
    return "\n".join(line.strip() for line in lines)


def _row(name: str, field: FieldInfo) -> str:
    kind = _kind(field.annotation, field.metadata)
    return f"| `{name}` | {kind} | {_default(name, field, kind)} | {field.description} |".replace("  ", " ")


def _default(name: str, field: FieldInfo, kind: str) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or value in ((), {}, "") or isinstance(value, BaseModel):
        return ""
    if kind == "size":
        return f"`{format_size(value).replace(' ', '').replace('.0', '')}`"
    if kind == "duration":
        return f"`{format_duration(value).replace(' ', '').replace('.0', '')}`"
    if kind == "picture size":
        return f"`{value[0]}x{value[1]}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(annotation: Any, metadata: Any = ()) -> str:
    """What stands at a key, in the words of the page."""
    for mark in metadata:
        if id(mark) in _KINDS:
            return _KINDS[id(mark)]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(args[0], args[1:])
    if origin in (Union, UnionType):
        return _choice(args)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in args)
    if origin is tuple:
        return f"list of {_plural(_kind(args[0]))}"
    if origin is dict:
        return f"mapping of names to {_plural(_kind(args[1]))}"
    return _LINKS.get(annotation) or _PLAIN[annotation]


def _choice(args: tuple[Any, ...]) -> str:
    parts = [arg for arg in args if arg is not NoneType]
    if all(_tag(kind) for kind in map(_model, parts) if kind) and all(map(_model, parts)):
        section = "sources" if _model(parts[0]) is endpoints.VideoSource else "sinks"
        return f"[{section[:-1]}](#{section})"
    return ", ".join(_kind(part) for part in parts)


def _model(annotation: Any) -> type[BaseModel] | None:
    inner = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _plural(kind: str) -> str:
    irregular = {
        "capability": "capabilities",
        "stream or pattern": "streams or patterns",
        "path or [model](#models)": "paths or [models](#models)",
    }
    if kind in irregular:
        return irregular[kind]
    return kind.replace("](", "s](", 1) if kind.startswith("[") else f"{kind}s"
