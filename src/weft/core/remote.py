"""Which names stand for something elsewhere: an artifact in a registry, a file of Hugging Face, a file at a URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from os import PathLike, fspath
from pathlib import Path

SCHEMES = ("oci://", "hf:", "https://", "http://")

Bring = Callable[[str], Path]
"""Makes a path of a reference, or raises a WeftError."""

_bring: ContextVar[Bring | None] = ContextVar("bring", default=None)


def is_remote(written: str | PathLike[str]) -> bool:
    """Whether a name is no path, but a reference that an artifact is brought for."""
    return isinstance(text := fspath(written), str) and text.startswith(SCHEMES)


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
