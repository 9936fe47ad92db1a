"""Which names stand for something elsewhere: an artifact in a registry, a file of Hugging Face, a file at a URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike, fspath
from pathlib import Path

SCHEMES = ("oci://", "hf:", "https://", "http://")

_BARE = re.compile(r"[\w-]+(\.[\w-]+)*(:\d{1,5})?/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64})+", re.ASCII)

Bring = Callable[[str], Path]
"""Makes a path of a reference, or raises a WeftError."""

_bring: ContextVar[Bring | None] = ContextVar("bring", default=None)


def is_remote(written: str | PathLike[str]) -> bool:
    """Whether a name is no path, but a reference that an artifact is brought for."""
    return isinstance(text := fspath(written), str) and text.startswith(SCHEMES)


def meant_reference(written: str) -> str:
    """What cures the lack of a file whose name looks like an artifact of a registry; empty for another."""
    return f"for an artifact in a registry, write oci://{written}" if _BARE.fullmatch(written) else ""


@contextmanager
def brought_by(bring: Bring) -> Iterator[None]:
    """References are made paths by ``bring`` within the block, on this thread."""
    token = _bring.set(bring)
    try:
        yield
    finally:
        _bring.reset(token)


def bring_by(bring: Bring) -> None:
    """References are made paths by ``bring`` from now on, on this thread."""
    _bring.set(bring)


def chosen_bring() -> Bring | None:
    """What makes paths of references here; None where nobody has chosen."""
    return _bring.get()
