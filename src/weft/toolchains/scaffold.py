"""A new function's folder, from the templates under ``sdk/``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from weft.core.errors import OutputError, UsageError
from weft.core.resources import sdk
from weft.toolchains.base import Language
from weft.toolchains.manifest import name_problem

BINDING = "weft"
"""The folder of a function that holds the binding of its language."""


def create(folder: Path, language: Language) -> list[Path]:
    """Make ``folder`` with a function that is ready to build, named as the folder; the files, relative to it.

    The binding is copied into it, so that the folder builds anywhere and editors find their way.
    Raises UsageError for a name nobody can use and OutputError when the folder is there or cannot be written.
    """
    name = folder.name
    if wrong := name_problem(name):
        raise UsageError(f"'{name}' is no name for a function", cure=wrong)
    words = {"@name@": name, "@lang@": language.name, "@title@": language.title, "@source@": language.source}
    try:
        folder.mkdir(parents=True)
        for source, target in _templates(language):
            _fill(source, folder / target, words)
        for file in language.binding:
            _fill(sdk() / language.name / file, folder / BINDING / file, {})
    except FileExistsError as error:
        raise OutputError(
            "is there already, and nothing is overwritten", where=str(folder), cure="choose another name"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def _templates(language: Language) -> Iterator[tuple[Path, Path]]:
    """What to copy, and where to."""
    for template in (sdk() / "common", sdk() / language.name / "template"):
        for path in sorted(template.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, _visible(path.relative_to(template))


def _visible(path: Path) -> Path:
    """Files that begin with a dot are kept under another name, so that tools do not take them for their own."""
    return path.with_name(f".{path.name[4:]}") if path.name.startswith("dot-") else path


def _fill(source: Path, target: Path, words: Mapping[str, str]) -> None:
    text = source.read_text()
    for word, value in words.items():
        text = text.replace(word, value)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
