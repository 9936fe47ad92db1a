"""A Python function's files and what they import, read without running any of it."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from weft.core.errors import InputError, NotFoundError
from weft.core.files import read_whole
from weft.core.units import format_size
from weft.toolchains.python_modules import COMPONENT_MODULES

MAX_BYTES = 4 * 2**20
"""Bytes of all files of a function."""

MAX_FILES = 256

OWN_PACKAGE = "weft"
"""What functions call the host by; it is part of every form."""

File = tuple[str, str]
_STDLIB = Path(sysconfig.get_paths()["stdlib"])


@dataclass(frozen=True, slots=True)
class Import:
    """A module that a function imports and does not bring itself.

    Attributes:
        name: its dotted name.
        file: where the import stands, relative to the function's folder.
        line: and in which line.
        optional: it stands in a ``try``, so the function may do without.
    """

    name: str
    file: str
    line: int
    optional: bool


@dataclass(frozen=True, slots=True)
class PythonSource:
    """A function's files, its own first, and what they import of others.

    Attributes:
        files: name, relative to the function's folder and with /, and text of each.
        imports: in the order they were met, each once.
    """

    files: tuple[File, ...]
    imports: tuple[Import, ...]

    @property
    def foreign(self) -> tuple[Import, ...]:
        """The imports that the component form does not have."""
        return tuple(found for found in self.imports if found.name not in COMPONENT_MODULES)


def read_source(path: Path) -> PythonSource:
    """The function in ``path`` with the modules beside it that it imports, however indirectly.

    Raises NotFoundError, and InputError for what is no Python, no UTF-8 or too much.
    """
    return _Reader(path).read()


class _Reader:
    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._left = [path.name]
        self._files: dict[str, str] = {}
        self._imports: dict[str, Import] = {}
        self._bytes = 0

    def read(self) -> PythonSource:
        """The file and all it imports from its folder, as text."""
        while self._left:
            name = self._left.pop()
            if name not in self._files:
                self._take(name)
        return PythonSource(tuple(self._files.items()), tuple(self._imports.values()))

    def _take(self, name: str) -> None:
        path = self._folder / name
        text = self._text(path)
        self._files[name] = text
        if len(self._files) > MAX_FILES:
            raise InputError(f"the function has more than {MAX_FILES} files", where=str(path))
        try:
            tree = ast.parse(text, str(path))
        except (SyntaxError, ValueError, RecursionError) as error:
            raise InputError(f"does not compile:\n{_told(error, name)}", where=str(path)) from error
        for found, perhaps in _imports(tree, name):
            self._meet(found, perhaps=perhaps)

    def _text(self, path: Path) -> str:
        try:
            data = read_whole(path, MAX_BYTES - self._bytes)
        except FileNotFoundError:
            raise NotFoundError("no such file", where=str(path), cure="check the path of the function") from None
        except OSError as error:
            raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path)) from error
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise InputError(f"the function's files are over {format_size(MAX_BYTES)}", where=str(path))
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError("is no UTF-8 text", where=str(path), cure="save it as UTF-8") from error

    def _meet(self, found: Import, *, perhaps: bool) -> None:
        """Note an import: the files beside the function that it means, or else its name."""
        parts = found.name.split(".")
        if parts[0] == OWN_PACKAGE or not all(parts) or self._add_files(parts):
            return  # a relative import that leads nowhere is for Python itself to tell
        if not perhaps or _in_stdlib(parts):
            before = self._imports.get(found.name)
            if before is None or (before.optional and not found.optional):
                self._imports[found.name] = found

    def _add_files(self, parts: list[str]) -> bool:
        """The module's file, and those of the packages it is in, are the function's own where they are there."""
        names = [self._file(parts[:count]) for count in range(1, len(parts) + 1)]
        self._left += filter(None, names)
        return names[-1] is not None or (names[0] is not None and len(parts) > 1)

    def _file(self, parts: list[str]) -> str | None:
        stem = "/".join(parts)
        return next((name for name in (f"{stem}.py", f"{stem}/__init__.py") if (self._folder / name).is_file()), None)


def _imports(tree: ast.AST, file: str) -> Iterator[tuple[Import, bool]]:
    """Every import in a file, wherever it stands; True for what may be a module or just a name in one."""
    for node, optional in _walk(tree, optional=False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, file, node.lineno, optional), False
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, file)
            if module:
                yield Import(module, file, node.lineno, optional), False
            for alias in node.names:
                yield Import(f"{module}.{alias.name}".lstrip("."), file, node.lineno, optional), True


def _absolute(node: ast.ImportFrom, file: str) -> str:
    """The module that ``from … import`` names, without dots in front."""
    if not node.level:
        return node.module or ""
    package = file.split("/")[: -node.level]
    return ".".join([*package, *(node.module or "").split(".")]).strip(".")


def _walk(node: ast.AST, *, optional: bool) -> Iterator[tuple[ast.AST, bool]]:
    yield node, optional
    inside = optional or isinstance(node, ast.Try)
    for child in node.orelse if _for_types(node) else ast.iter_child_nodes(node):
        yield from _walk(child, optional=inside)


def _for_types(node: ast.AST) -> TypeGuard[ast.If]:
    """True for ``if TYPE_CHECKING:``, whose body never runs."""
    if not isinstance(node, ast.If):
        return False
    name = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", "")
    return bool(name == "TYPE_CHECKING")


def _in_stdlib(parts: list[str]) -> bool:
    place = _STDLIB.joinpath(*parts)
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def _told(error: Exception, name: str) -> str:
    if not isinstance(error, SyntaxError) or error.lineno is None:
        return f"{name}: {error}"
    line = f"\n    {error.text.strip()}" if error.text else ""
    return f"{name}:{error.lineno}:{error.offset}: {error.msg}{line}"
