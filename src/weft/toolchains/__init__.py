"""Compilers of guest languages: where they are, how they are called, and what a new function starts from.

One file per language; a file here that defines a :class:`Language` is all it takes.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from weft.core.errors import UsageError
from weft.core.suggest import did_you_mean
from weft.toolchains.base import Language


@functools.cache
def languages() -> Mapping[str, Language]:
    """Every language by the name ``--lang`` and ``function.toml`` give it."""
    for info in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{info.name}")
    return {language.name: language() for language in sorted(Language.__subclasses__(), key=lambda kind: kind.name)}


def language(name: str) -> Language:
    """The language of this name. Raises UsageError."""
    known = languages()
    if name not in known:
        cure = did_you_mean(name, known) or f"one of {', '.join(known)}"
        raise UsageError(f"no language '{name}'", cure=cure)
    return known[name]
