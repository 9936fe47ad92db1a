"""What a guest may call, one file per host module. A file here that defines a HostModule is all it takes.

Import modules are shared: ``env`` belongs to several foreign runtimes, and two generations of WasmEdge's
interfaces go by one name. So an import is looked up by both its names.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from weft.wasm.host.base import HostModule


@functools.cache
def host_modules() -> Mapping[str, tuple[type[HostModule], ...]]:
    """The classes that serve each import module, by the name guests import."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    found: dict[str, list[type[HostModule]]] = {}
    for cls in dict.fromkeys(_leaves(HostModule)):
        found.setdefault(cls.name, []).append(cls)
    return {name: tuple(classes) for name, classes in found.items()}


def host_module(name: str, function: str) -> type[HostModule] | None:
    """The class that provides a function of an import module, or None."""
    return next((cls for cls in host_modules().get(name, ()) if function in cls.signatures()), None)


def signatures(name: str) -> Mapping[str, str]:
    """The functions of an import module and their wasm types."""
    return {function: text for cls in host_modules().get(name, ()) for function, text in cls.signatures().items()}


def _leaves(base: type[HostModule]) -> list[type[HostModule]]:
    found: list[type[HostModule]] = []
    for cls in base.__subclasses__():
        found += [cls] if "name" in cls.__dict__ else []
        found += _leaves(cls)
    return found
