"""Validation errors in plain words: pydantic finds the mistakes, this says them.

Unions in documents are tagged, and every tag is written ``<tag>``, so that it can be told from a key
when the location of an error is turned into a path of the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from weft.core.address import redacted
from weft.core.errors import Problem
from weft.core.suggest import did_you_mean
from weft.spec.reader import Parsed, Path

_NEEDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
}
_SHOWN = 40


def explain(error: ValidationError, model: type[BaseModel], parsed: Parsed) -> list[Problem]:
    """Every validation error as a Problem with its line, path, message and cure."""
    details = error.errors(include_url=False)
    problems = [_explain(detail, model, parsed) for detail in details if _path(detail, parsed) not in parsed.broken]
    return list(dict.fromkeys(problems))


def _explain(detail: ErrorDetails, model: type[BaseModel], parsed: Parsed) -> Problem:
    message, cure = _say(detail, model)
    path = _path(detail, parsed)
    if detail["type"] == "union_tag_not_found" and isinstance(detail["input"], dict):
        path = (*path, "type")
    return parsed.problem(path, message, cure)


def _say(detail: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "mistake":
        return redacted(context["message"]), context["cure"]
    if kind == "missing":
        site = ", or take frames from a site: weft run --connect, or streams:" if detail["loc"] == ("sources",) else ""
        return "is missing", f"add it{site}"
    if kind == "extra_forbidden":
        return "is no key here", _suggest(str(detail["loc"][-1]), keys_at(model, detail["loc"][:-1]))
    if kind in ("literal_error", "union_tag_invalid"):
        return _choice(kind, value, context)
    if kind == "union_tag_not_found":
        return _no_type(value)
    if kind in _NEEDS:
        return f"must be {_NEEDS[kind]}, is {_shown(value)}", _retype(kind, value)
    if kind in _BOUNDS:
        return f"must be {_BOUNDS[kind].format(**context)}, is {_shown(value)}", ""
    if kind in ("too_short", "string_too_short"):
        return "must not be empty", "add at least one entry" if kind == "too_short" else ""
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries, has {context['actual_length']}", ""
    return detail["msg"], ""


def _choice(kind: str, value: Any, context: Mapping[str, Any]) -> tuple[str, str]:
    """A word that is none of the choices: a literal's, or the ``type`` of a tagged union."""
    tagged = kind == "union_tag_invalid"
    choices = re.findall(r"'([^']*)'", context["expected_tags" if tagged else "expected"])
    given = context["tag"] if tagged else value
    if tagged:
        choices, given = [choice.strip("<>") for choice in choices], given.strip("<>")
    if not isinstance(given, str):
        return f"must be one of {', '.join(choices)}, is {_shown(given)}", ""
    message = f"the type '{_short(given)}' is unknown" if tagged else f"'{_short(given)}' is no choice here"
    return message, _suggest(given, choices)


def _no_type(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        return f"must be a mapping, is {_shown(value)}", "write it like {type: …}"
    if "type" not in value:
        return "is missing", "add it"
    return f"must be text, is {_shown(value['type'])}", ""


def _suggest(word: str, known: list[str]) -> str:
    return did_you_mean(word, known) or f"one of {', '.join(sorted(known))}"


def _retype(kind: str, value: Any) -> str:
    if kind in ("list_type", "tuple_type") and isinstance(value, str | int | float):
        return f"write [{_short(str(value))}]"
    if not isinstance(value, str):
        return 'put it in quotes: "…"' if kind == "string_type" and isinstance(value, int | float) else ""
    if kind == "bool_type" and value.lower() in ("yes", "on", "true", "y"):
        return "write true"
    if kind == "bool_type" and value.lower() in ("no", "off", "false", "n"):
        return "write false"
    if kind in ("int_type", "float_type") and re.fullmatch(r"[-+]?\d+(\.\d+)?", value):
        return "write it without quotes"
    return ""


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{_short(value)}'"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return _short(repr(value))


def _short(text: str) -> str:
    text = redacted(text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _path(detail: ErrorDetails, parsed: Parsed) -> Path:
    """Where the error stands in the document: its location without tags and pydantic's own markers."""
    path: list[str | int] = []
    value = parsed.data
    last = len(detail["loc"]) - 1
    for index, part in enumerate(detail["loc"]):
        known = _inside(value, part)
        if known:
            value = value[part]
        if known or (index == last and isinstance(value, dict) and not _is_tag(part)):
            path.append(part)
    return tuple(path)


def _inside(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value and not _is_tag(part)
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and (part == "[key]" or (part.startswith("<") and part.endswith(">")))


def keys_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The keys a document may have at a location of ``model``, as validation errors give locations."""
    kinds: list[Any] = [model]
    for part in location:
        kinds = [inner for kind in kinds for inner in _step(kind, part)]
    leaves = [leaf for kind in kinds for leaf in _leaves(kind)]
    return sorted({key for leaf in leaves if _is_model(leaf) for key in _fields(leaf)})


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, by the keys that documents write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _step(kind: Any, part: str | int) -> Iterator[Any]:
    """What stands one step down an annotation: a field, an item, a value, or the branch of a union."""
    tagged = [arg for arg in _branches(kind) if Tag(str(part)) in get_args(arg)[1:]]
    if tagged:
        yield from tagged
        return
    for leaf in _leaves(kind):
        if _is_model(leaf):
            found = _fields(leaf).get(str(part))
            yield from [found.annotation] if found else []
        elif get_origin(leaf) in (dict, Mapping):
            yield get_args(leaf)[1]
        elif get_origin(leaf) in (list, tuple):
            yield get_args(leaf)[0]


def _branches(kind: Any) -> Iterator[Any]:
    """The parts of a union, and of unions within it, with their tags."""
    if get_origin(kind) is Annotated:
        yield from _branches(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for arg in get_args(kind):
            yield arg
            yield from _branches(arg)


def _leaves(kind: Any) -> Iterator[Any]:
    """An annotation without ``Annotated``, and a union as its parts."""
    if get_origin(kind) is Annotated:
        yield from _leaves(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for arg in get_args(kind):
            yield from _leaves(arg)
    else:
        yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
