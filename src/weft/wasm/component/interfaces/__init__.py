"""What a component may import, one file per interface. A file here that defines an Interface is all it takes."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from weft.wasm.component.interface import Interface


@functools.cache
def interfaces() -> Mapping[str, type[Interface]]:
    """Every interface by its full name, in every version."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return {f"{cls.name}@{version}": cls for cls in _leaves(Interface) for version in cls.versions}


def _leaves(base: type[Interface]) -> list[type[Interface]]:
    found: list[type[Interface]] = []
    for cls in base.__subclasses__():
        found += [cls] if "name" in cls.__dict__ else []
        found += _leaves(cls)
    return found
