"""A YAML document as a checked model, or all of its mistakes at once."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Self, TypeVar

from pydantic import BaseModel, PrivateAttr, ValidationError

from weft.core.errors import DocumentError, Problem
from weft.spec.reader import Parsed, Path
from weft.spec.values import Part
from weft.spec.wording import explain

MAX_PROBLEMS = 100

Mistake = tuple[Path, str, str]
"""A mistake some check found: the path it stands at, the message and the cure."""
Check = Callable[[Mapping[str, Any]], Iterable[Mistake]]
"""A check across a whole document. It gets the plain data as written, which may be wrong in any way."""

M = TypeVar("M", bound=BaseModel)


class Document(Part):
    """Base of whole documents: they know the folder their file names are relative to, and their lines."""

    _folder: pathlib.Path = PrivateAttr(default=pathlib.Path())
    _written: Parsed = PrivateAttr(default_factory=Parsed)

    @property
    def folder(self) -> pathlib.Path:
        """The folder file names are relative to."""
        return self._folder

    def problem(self, path: Path, message: str, cure: str = "") -> Problem:
        """A mistake found later, with the line it stands on."""
        return self._written.problem(path, message, cure)

    def resolve(self, path: str) -> pathlib.Path:
        """A path as written in the document, made absolute or relative to the process."""
        return self._folder / path

    def placed(self, folder: pathlib.Path, written: Parsed) -> Self:
        """The same document, which knows the folder its file names are relative to and the lines it came from."""
        self._folder = folder
        self._written = written
        return self


def parse_document(parsed: Parsed, model: type[M], *, where: str = "", checks: Iterable[Check] = ()) -> M:
    """The model that YAML text, as :func:`weft.spec.reader.read` gives it, describes.

    ``where`` names the document in the error. ``checks`` look across the document; they run even when
    single values are wrong, so that one pass reports everything. Raises DocumentError.
    """
    problems = list(parsed.problems)
    made: M | None = None
    if () not in parsed.broken:
        try:
            made = model.model_validate(parsed.data)
        except ValidationError as error:
            problems += explain(error, model, parsed)
        problems += _check(parsed, checks)
    if problems or made is None:
        raise DocumentError(_bounded(problems), where=where)
    return made


def _check(parsed: Parsed, checks: Iterable[Check]) -> list[Problem]:
    if not isinstance(parsed.data, Mapping):
        return []
    found = (mistake for check in checks for mistake in check(parsed.data))
    return [parsed.problem(*mistake) for mistake in islice(found, MAX_PROBLEMS + 1)]


def _bounded(problems: list[Problem]) -> list[Problem]:
    unique = sorted(dict.fromkeys(problems), key=lambda problem: problem.line)
    if len(unique) <= MAX_PROBLEMS:
        return unique
    more = Problem("document", "has more mistakes than these", unique[-1].line, "mend these first")
    return [*unique[:MAX_PROBLEMS], more]
