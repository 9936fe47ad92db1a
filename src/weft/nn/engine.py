"""An engine's package: what it reads, whether it is here, in which version, and how to get it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from weft.core.errors import UnavailableError
from weft.nn.formats import Format
from weft.nn.reason import reason


@dataclass(frozen=True, slots=True)
class Engine:
    """The facts of one engine; nothing is imported for them.

    Attributes:
        name: what users call it.
        module: what is imported when it is first needed.
        distributions: the packages that may bring the module, for the version.
        install: the command that installs it.
        formats: the model formats it reads.
        without: a module its import is not to find, because it would send something out.
        silence: an environment variable that, set to 1 before the import, keeps it from doing the same itself.
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    install: str
    formats: frozenset[Format]
    without: str = ""
    silence: str = ""

    def installed(self) -> bool:
        """Whether the package is there."""
        return importlib.util.find_spec(self.module.partition(".")[0]) is not None

    def version(self) -> str:
        """The version, from the package's metadata; "" where it is not installed."""
        return _version(self.distributions)

    def start(self) -> Any:
        """The engine's module, imported when it is first needed; UnavailableError when that does not work."""
        if module := sys.modules.get(self.module):
            return module
        try:
            with _private(self):
                return importlib.import_module(self.module)
        except (ImportError, OSError) as error:
            what = f"engine '{self.name}' does not start: {reason(error)}"
            raise UnavailableError(what, cure=self.install) from error


_importing = threading.Lock()


@contextmanager
def _private(engine: Engine) -> Iterator[None]:
    """What is imported in the block does not find how to send telemetry, unless it was imported or set before."""
    with _importing:
        if engine.silence:
            os.environ.setdefault(engine.silence, "1")
        hide = bool(engine.without) and engine.without not in sys.modules
        if hide:
            sys.modules[engine.without] = None  # type: ignore[assignment]  # how an import is made to fail
        try:
            yield
        finally:
            if hide:
                del sys.modules[engine.without]


@cache
def _version(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""
