"""A function's own files as modules, and its calls. Both forms use it: there may be no file system to import from."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import linecache
import marshal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import traceback

File = tuple[str, str]
MAX_TOLD = 16 * 1024
"""Characters of a traceback that are told; what is in the middle is cut."""


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the function's files, by their names relative to its folder."""

    def __init__(self, names: Iterable[str], text: Callable[[str], str]) -> None:
        self.names = tuple(names)
        self.codes: dict[str, CodeType] = {}
        self._text = text
        for name in self.names:  # read only when a traceback shows a line of it
            linecache.cache[name] = (functools.partial(text, name),)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """A module of the function's, or None for others to find."""
        name = self._file(fullname)
        if name is None:
            return None
        package = name.endswith("/__init__.py")
        spec = importlib.util.spec_from_loader(fullname, self, origin=name, is_package=package)
        if spec is not None:
            spec.has_location = True  # sets __file__
        return spec

    def get_source(self, fullname: str) -> str | None:
        """A module's text."""
        name = self._file(fullname)
        return None if name is None else self._text(name)

    def get_code(self, fullname: str) -> CodeType | None:
        """A module, compiled."""
        name = self._file(fullname)
        return None if name is None else self.code(name)

    def code(self, name: str) -> CodeType:
        """A file, compiled once. Raises SyntaxError."""
        if name not in self.codes:
            self.codes[name] = compile(self._text(name), name, "exec", dont_inherit=True)
        return self.codes[name]

    def _file(self, fullname: str) -> str | None:
        stem = fullname.replace(".", "/")
        return next((name for name in (f"{stem}.py", f"{stem}/__init__.py") if name in self.names), None)


class Program:
    """The function of ``files``: name (relative to its folder, with /) and text of each, its own first."""

    def __init__(self, files: Sequence[File]) -> None:
        self._finder = _Finder((name for name, _ in files), dict(files).__getitem__)
        self._handle: Callable[[Any], Any] | None = None

    @classmethod
    def loaded(cls, data: bytes, text: Callable[[str], str]) -> Program:
        """What :meth:`saved` gave, of the same Python; ``text`` gives a file's text when it is needed."""
        names, codes = marshal.loads(data)
        program = cls(())
        program._finder = _Finder(names, text)
        program._finder.codes = codes
        return program

    def saved(self) -> bytes:
        """Everything compiled, for :meth:`loaded`. Raises SyntaxError."""
        for name in self._finder.names:
            self._finder.code(name)
        return marshal.dumps((self._finder.names, self._finder.codes))

    def start(self) -> None:
        """Run the function's file and then its ``init``. Raises whatever they raise."""
        if self._finder not in sys.meta_path:
            sys.meta_path.insert(0, self._finder)
            self._unload()  # a file beside the function comes before a module of the same name
        own = self._finder.names[0]
        name = own.rpartition("/")[2].removesuffix(".py")
        module = ModuleType(name)
        module.__file__ = own
        module.__loader__ = self._finder
        sys.modules[name] = module
        exec(self._finder.code(own), module.__dict__)
        self._handle = getattr(module, "handle", None)
        if not callable(self._handle):
            raise TypeError(f"{own} has no `def handle(frame)`")
        init = getattr(module, "init", None)
        if callable(init):
            init()

    def forget(self) -> None:
        """Undo :meth:`start`."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self._finder]
        self._unload()
        for name in self._finder.names:
            linecache.cache.pop(name, None)

    def _unload(self) -> None:
        for name in self._finder.names:
            sys.modules.pop(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."), None)

    def handle(self, frame: Any) -> Any:
        """What the function makes of a frame. Raises whatever it raises."""
        assert self._handle is not None
        return self._handle(frame)

    def told(self, error: BaseException) -> str:
        """An error with the lines of the function that led to it, and no others."""
        import traceback  # takes as long as everything else at the start of an interpreter that is no snapshot

        seen: set[int] = set()
        told = traceback.TracebackException.from_exception(error)
        self._strip(told, seen)
        text = "".join(told.format()).rstrip()
        half = MAX_TOLD // 2
        return text if len(text) <= MAX_TOLD else f"{text[:half]}\n…\n{text[-half:]}"

    def _strip(self, told: traceback.TracebackException | None, seen: set[int]) -> None:
        if told is None or id(told) in seen:
            return
        seen.add(id(told))
        told.stack[:] = [line for line in told.stack if line.filename in self._finder.names]
        for inner in (told.__cause__, told.__context__, *(told.exceptions or ())):
            self._strip(inner, seen)
