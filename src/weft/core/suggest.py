"""Did you mean …: the nearest known name, for error messages."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from pathlib import Path

MANIFEST = "function.toml"
"""Makes a folder one that `weft build` builds."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like ``word``, or None where nothing is close."""
    by_lower = {name.lower(): name for name in known}
    match = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[match[0]] if match else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?", or an empty string where nothing is close."""
    match = nearest(word, known)
    return f"did you mean '{match}'?" if match else ""


def meant_file(missing: Path) -> str:
    """What cures a missing file: the neighbour that was meant, or the command that builds it; empty for neither."""
    try:
        names = [entry.name for entry in missing.parent.iterdir()]
    except OSError:
        return ""
    if missing.suffix != ".wasm" or MANIFEST not in names:
        return did_you_mean(missing.name, names)
    modules = [name for name in names if name.endswith(".wasm")]
    return did_you_mean(missing.name, modules) or f"build it: weft build {shlex.quote(str(missing.parent))}"
