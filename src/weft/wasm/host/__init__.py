"""What a guest may call, one file per host module. A file here that defines a HostModule is all it takes."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from weft.wasm.host.base import HostModule


@functools.cache
def host_modules() -> Mapping[str, type[HostModule]]:
    """Every host module by the name guests import."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return {module.name: module for module in _leaves(HostModule)}


def host_module(name: str) -> type[HostModule] | None:
    """The host module of this name, or None."""
    return host_modules().get(name)


def _leaves(base: type[HostModule]) -> list[type[HostModule]]:
    found: list[type[HostModule]] = []
    for cls in base.__subclasses__():
        found += [cls] if "name" in cls.__dict__ else []
        found += _leaves(cls)
    return found
