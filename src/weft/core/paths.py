"""Where Weft keeps its own files. Raises UnavailableError where neither a folder nor a home directory is known."""

from __future__ import annotations

import os
from pathlib import Path

from weft.core.errors import UnavailableError


def cache_dir() -> Path:
    """What can be made again: ``$WEFT_CACHE``, else ``$XDG_CACHE_HOME/weft``, else ``~/.cache/weft``."""
    return _folder("WEFT_CACHE", "XDG_CACHE_HOME", ".cache")


def config_dir() -> Path:
    """Settings and secrets of this user: ``$WEFT_CONFIG``, else ``$XDG_CONFIG_HOME/weft``, else ``~/.config/weft``."""
    return _folder("WEFT_CONFIG", "XDG_CONFIG_HOME", ".config")


def state_dir() -> Path:
    """What outlives a run: ``$WEFT_STATE``, else ``$XDG_STATE_HOME/weft``, else ``~/.local/state/weft``."""
    return _folder("WEFT_STATE", "XDG_STATE_HOME", ".local/state")


def _folder(own: str, xdg: str, home: str) -> Path:
    if value := os.environ.get(own):
        return Path(value)
    if value := os.environ.get(xdg):
        return Path(value) / "weft"
    try:
        return Path.home() / home / "weft"
    except RuntimeError:
        raise UnavailableError("this user has no home directory", cure=f"set {own} to a folder") from None
