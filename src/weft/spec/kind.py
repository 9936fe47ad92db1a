"""Which kind of document a YAML file is: a pipeline, a classifier, access rules …, told by its top-level keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from weft.core.errors import DocumentError
from weft.core.suggest import nearest
from weft.spec.reader import Parsed, read, read_file

Kind = Literal["pipeline", "classifier", "access", "rights", "policy"]

KEYS: Mapping[Kind, tuple[str, ...]] = {
    "pipeline": ("sources", "functions", "sinks", "streams"),
    "classifier": ("model", "input", "output"),
    "access": ("rules",),
    "rights": ("keys", "tokens", "rights"),
    "policy": ("artifacts", "otherwise", "signers"),
}
"""The keys that tell a document's kind; ``description`` goes with all."""

CALLED: Mapping[Kind, str] = {
    "pipeline": "a pipeline",
    "classifier": "a classifier",
    "access": "access rules",
    "rights": "a server's rights",
    "policy": "a policy",
}
"""The kinds as sentences call them."""


def file_kind(path: Path) -> Kind:
    """The kind of a document's file.

    Raises NotFoundError or InputError when it cannot be read, and DocumentError when it is none of them, or several.
    """
    return kind_of(read(read_file(path)), where=str(path))


def kind_of(parsed: Parsed, where: str = "") -> Kind:
    """The kind of a document. One that is no YAML, or no mapping, counts as a pipeline, whose errors say so.

    Raises DocumentError for one that is both a pipeline and a classifier, or nothing; a misspelt key counts. What has
    the key of access rules beside those of another kind is that one, where the key is told as one mistake of many.
    """
    if () in parsed.broken or not isinstance(parsed.data, Mapping):
        return "pipeline"
    kinds = _kinds(parsed.data)
    if {"pipeline", "classifier"} <= set(kinds):
        raise _mixed(parsed, where)
    meant = kinds or _kinds(_meant(parsed.data))
    if meant and (len(meant) == 1 or kinds):
        return meant[0]
    cure = "; ".join(
        f"{called} {'has' if called.startswith('a ') and kind != 'rights' else 'have'} {', '.join(KEYS[kind])}"
        for kind, called in CALLED.items()
    )
    what = "is neither a pipeline nor a classifier, nor access rules, nor a server's rights, nor a policy"
    raise DocumentError([parsed.problem((), what, cure)], where=where)


def other_kind(parsed: Parsed, wanted: Kind) -> Kind | None:
    """What a document is that has keys of another kind than the ``wanted`` one, and none of that."""
    found = _kinds(parsed.data) if isinstance(parsed.data, Mapping) else []
    return found[0] if found and wanted not in found else None


def _kinds(keys: Iterable[str]) -> list[Kind]:
    present = set(keys)
    return [kind for kind, known in KEYS.items() if present.intersection(known)]


def _meant(keys: Iterable[str]) -> list[str]:
    known = [key for keys in KEYS.values() for key in keys]
    return [match for key in keys if (match := nearest(key, known))]


_APART: tuple[Kind, Kind] = ("pipeline", "classifier")


def _mixed(parsed: Parsed, where: str) -> DocumentError:
    data: Mapping[str, Any] = parsed.data
    pipeline, classifier = ([key for key in data if key in KEYS[kind]] for kind in _APART)
    message = f"is a key of a classifier, but `{pipeline[0]}` makes this a pipeline"
    cure = "a file is one or the other; a pipeline names a classifier's file: functions: {NAME: {classify: FILE, …}}"
    return DocumentError([parsed.problem((key,), message, cure) for key in classifier], where=where)
