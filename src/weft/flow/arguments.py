"""What programs hand to ``weft.load`` and to the functions it returns, checked: a wrong type is told with its cure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.hosts import HostGrant
from weft.core.limits import DirGrant, Grants, Limits, StateGrant
from weft.core.model import ModelOptions
from weft.flow.functions import ModelGrant
from weft.flow.remote import local_path

T = TypeVar("T")

POLICIES = ("reuse", "fresh")


def checked_path(value: object, what: str) -> str:
    """``value`` as a path. Raises UsageError when it is none."""
    if isinstance(value, str | os.PathLike) and isinstance(path := os.fspath(value), str):
        return path
    if isinstance(value, bytes):
        raise _wrong(what, value, "write it to a file, and give the file's path")
    raise _wrong(what, value, "give a path, as str or pathlib.Path")


def checked_models(models: object) -> dict[str, ModelGrant]:
    """Models by name, each a path or a path with its ModelOptions. Raises UsageError for anything else."""
    named = _named("models", models, 'models={"net": "model.onnx"}')
    return {name: _model(f"models['{name}']", value) for name, value in named.items()}


def checked_config(config: object) -> dict[str, str]:
    """Config values by key, as text. Raises UsageError for no mapping, and for bytes, which are no text."""
    named = _named("config", config, 'config={"threshold": 0.5}')
    for key, value in named.items():
        if isinstance(value, bytes | bytearray | memoryview):
            raise _wrong(f"config['{key}']", value, "give text, as with .decode(), or @FILE for a file's")
    return {key: str(value) for key, value in named.items()}


def checked_grants(grants: object) -> Grants:
    """Grants whose parts have their types. Raises UsageError."""
    found = _of_type("grants", grants, Grants, "give weft.Grants(dirs=…, env=…, allow=…, state=…, http=…)")
    for grant in _each("grants.dirs", found.dirs, 'give a tuple, as in dirs=(parse_dir("data:/data:ro"),)'):
        _of_type("grants.dirs", grant, DirGrant, 'use weft.core.limits.parse_dir("data:/data:ro")')
    for name, value in _named("grants.env", found.env, 'env={"LANG": "C"}').items():
        _of_type(f"grants.env['{name}']", value, str, "give text")
    for word in _each("grants.allow", found.allow, 'give a set, as in allow=frozenset({"nn.load"})'):
        _of_type("grants.allow", word, str, 'give names of capabilities, as in frozenset({"nn.load"})')
    for host in _each("grants.http", found.http, 'give a tuple, as in http=(parse_host("example.org"),)'):
        _of_type("grants.http", host, HostGrant, 'use weft.core.hosts.parse_host("example.org:8443")')
    if found.state is not None:
        _of_type("grants.state", found.state, StateGrant, 'give weft.StateGrant(Path("counter.db"))')
    return found


def checked_limits(limits: object) -> Limits:
    """``limits`` if they are. Raises UsageError."""
    return _of_type("limits", limits, Limits, "give weft.Limits(time=0.2, memory=64 * 2**20)")


def checked_args(args: object) -> tuple[str, ...]:
    """A command's arguments. Raises UsageError, also for one text, which would be taken apart letter by letter."""
    words = tuple(_each("args", args, 'give a list, as in args=["--verbose", "input.txt"]'))
    for word in words:
        _of_type("args", word, str, "give each argument as str")
    return words


def checked_policy(instance: object) -> None:
    """Raises UsageError for an instance policy there is not."""
    if instance not in POLICIES:
        raise UsageError(f"instance is {instance!r}", cure=" or ".join(f"'{policy}'" for policy in POLICIES))


def as_frame(given: object, sequence: int, where: str) -> Frame:
    """What a function was called with, as a frame: text is encoded, other data taken as it is. Raises UsageError."""
    if isinstance(given, Frame):
        return given
    if isinstance(given, str):
        return Frame(given.encode(), media_type="text/plain", sequence=sequence)
    try:
        return Frame(memoryview(given).tobytes(), sequence=sequence)  # type: ignore[arg-type]  # the try is for that
    except TypeError:
        cure = "give a weft.Frame, bytes or text; json.dumps makes text of a document"
        raise UsageError(f"it was called with {_kind(given)}", where=where, cure=cure) from None


def _model(what: str, value: object) -> ModelGrant:
    if not isinstance(value, tuple):
        return ModelGrant(local_path(checked_path(value, what)))
    if len(value) != 2 or not isinstance(value[1], ModelOptions):
        raise UsageError(f"{what} is {value!r}", cure='give a path, or ("model.onnx", weft.ModelOptions(threads=1))')
    return ModelGrant(local_path(checked_path(value[0], what)), value[1])


def _named(what: str, value: object, example: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(what, value, f"give a dict, as in {example}")
    for name in value:
        _of_type(f"a name in {what}", name, str, f"give text, as in {example}")
    return value


def _each(what: str, value: object, cure: str) -> Iterable[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise _wrong(what, value, cure)
    return value


def _of_type(what: str, value: object, wanted: type[T], cure: str) -> T:
    if not isinstance(value, wanted):
        raise _wrong(what, value, cure)
    return value


def _wrong(what: str, value: object, cure: str) -> UsageError:
    return UsageError(f"{what} is {_kind(value)}", cure=cure)


def _kind(value: object) -> str:
    """A value in few words; its type says more than pages of it."""
    if value is None:
        return "None"
    name = type(value).__name__
    shown = f" {value!r}" if isinstance(value, str | int | float) and len(repr(value)) <= 40 else ""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{shown}"
