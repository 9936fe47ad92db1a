"""``function.toml``: what a function's folder is, for those who build it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import DocumentError, NotFoundError, Problem
from weft.core.suggest import did_you_mean

FILE = "function.toml"
MAX_BYTES = 64 * 1024
MAX_NAME = 64

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_KEYS = ("name", "lang", "source", "flags")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A function's folder.

    Attributes:
        folder: where it is.
        name: the function's; its module is NAME.wasm.
        lang: the language's name.
        source: the main source file, relative to the folder.
        flags: what the compiler gets beside Weft's own flags.
    """

    folder: Path
    name: str
    lang: str
    source: str
    flags: tuple[str, ...] = ()

    @property
    def module(self) -> Path:
        """The module it is built to."""
        return self.folder / f"{self.name}.wasm"


def name_problem(name: str) -> str:
    """What is wrong with a function's name; empty when nothing is."""
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters"
    return "" if _NAME.fullmatch(name) else "write it like counter or part-counter: a-z, 0-9, - and _"


def read_manifest(folder: Path) -> Manifest:
    """The manifest in ``folder``.

    Raises NotFoundError where there is none and DocumentError, with all mistakes, where it is wrong.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode()
        values = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError) as error:
        cure = "give the folder that `weft new NAME --lang LANG` made"
        raise NotFoundError(f"no function to build: there is no {FILE}", where=str(folder), cure=cure) from error
    except OSError as error:
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DocumentError([Problem("document", f"no TOML: {error}")], where=str(path)) from error
    if problems := list(_problems(values, folder)):
        raise DocumentError(problems, where=str(path))
    return Manifest(folder, values["name"], values["lang"], values["source"], tuple(values.get("flags", ())))


def _problems(values: Mapping[str, object], folder: Path) -> Iterator[Problem]:
    for key in values:
        if key not in _KEYS:
            yield Problem(key, "no such key", cure=did_you_mean(key, _KEYS) or f"one of {', '.join(_KEYS)}")
    for key in ("name", "lang", "source"):
        if not isinstance(values.get(key, 0), str):
            yield Problem(key, "must be a text" if key in values else "is missing")
    name, source, flags = values.get("name"), values.get("source"), values.get("flags", [])
    if isinstance(name, str) and (wrong := name_problem(name)):
        yield Problem("name", f"'{name}' is no name", cure=wrong)
    if isinstance(source, str) and (wrong := _source_problem(folder, source)):
        yield Problem("source", wrong)
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        yield Problem("flags", "must be a list of texts", cure='write it like flags = ["-DNDEBUG"]')


def _source_problem(folder: Path, source: str) -> str:
    path = folder / source
    if not path.is_file():
        return f"there is no file '{source}'"
    return "" if path.resolve().is_relative_to(folder.resolve()) else f"'{source}' is outside the folder"
