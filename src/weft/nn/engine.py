"""An engine's package: what it reads, whether it is here, in which version, and how to get it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
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
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    install: str
    formats: frozenset[Format]

    def installed(self) -> bool:
        """Whether the package is there."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ImportError:
            return False

    def version(self) -> str:
        """The version, from the package's metadata; "" where it is not installed."""
        return _version(self.distributions)

    def start(self) -> Any:
        """The engine's module, imported when it is first needed; UnavailableError when that does not work."""
        try:
            return sys.modules.get(self.module) or importlib.import_module(self.module)
        except (ImportError, OSError) as error:
            what = f"engine '{self.name}' does not start: {reason(error)}"
            raise UnavailableError(what, cure=self.install) from error


@cache
def _version(distributions: tuple[str, ...]) -> str:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""
