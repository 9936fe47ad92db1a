"""A YAML document as a checked model, or all of its mistakes at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from weft.core.errors import DocumentError, Problem
from weft.spec.reader import Parsed, Path
from weft.spec.wording import explain

MAX_PROBLEMS = 100

Mistake = tuple[Path, str, str]
"""A mistake some check found: the path it stands at, the message and the cure."""
Check = Callable[[Mapping[str, Any]], Iterable[Mistake]]
"""A check across a whole document. It gets the plain data as written, which may be wrong in any way."""

M = TypeVar("M", bound=BaseModel)


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
