"""How a guest is called, one file per ABI. A file here that defines an Abi is all it takes."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from weft.wasm.abi.base import Abi


@functools.cache
def abis() -> Mapping[str, type[Abi]]:
    """Every ABI by name, the first to try first."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return {abi.name: abi for abi in sorted(Abi.__subclasses__(), key=lambda abi: (-abi.priority, abi.name))}
