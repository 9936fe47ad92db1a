"""Where state is kept unless somebody names a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from weft.core.errors import OutputError
from weft.core.paths import state_dir


def default_path(pipeline: str | None, folder: Path, function: str) -> Path:
    """Where a function of a pipeline keeps its state unless the document says.

    A pipeline without a name of its own goes by its folder: two of them must not take each other's state for theirs.
    Raises UnavailableError where this user has no home directory.
    """
    by_folder = hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:12]
    return own_folder() / (pipeline or f"in-{by_folder}") / f"{function}.db"


def own_folder() -> Path:
    """Where state is kept unless somebody names a file. Raises UnavailableError."""
    return state_dir() / "functions"


def make_own_folder(path: Path) -> None:
    """Make the folder of a default place; whoever names another file has made its folder. Raises OutputError."""
    if path.parent.is_dir() or not path.is_relative_to(own_folder()):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        cure = "set WEFT_STATE to a folder that may be written, or name a file with state: {path: FILE}"
        raise OutputError(f"cannot be made: {error.strerror}", where=str(path.parent), cure=cure) from error
