"""State files for people: what is in one, and taking something out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.core.errors import UnavailableError
from weft.core.limits import StateGrant
from weft.flow.state import FunctionState
from weft.flow.state_file import OPEN_WITHIN, check_folder, identify, is_empty, reader, translated
from weft.flow.state_place import own_folder
from weft.wasm.guard import Refusal


@dataclass(frozen=True, slots=True)
class StateContent:
    """What a state file holds.

    Attributes:
        size: bytes of all keys and values, as the limit counts them.
        sizes: bytes of each value, by its key, in the order of the keys.
    """

    size: int
    sizes: dict[str, int]


def check_state(path: Path) -> None:
    """Raise what speaks against keeping state in a file; changes nothing. None at all is fine."""
    with translated(path):
        if path.exists():
            identify(path)
        elif not path.is_relative_to(own_folder()):  # where folders are made as needed
            check_folder(path)


def content(path: Path) -> StateContent:
    """The keys of a state file, which may be in use.

    Raises NotFoundError, InputError, OutputError, UnavailableError.
    """
    rows = list(_rows(path, "SELECT key, length(value) FROM state ORDER BY key"))
    size = sum(len(key) + length for key, length in rows)
    return StateContent(size, {key.decode(errors="replace"): length for key, length in rows})


def value(path: Path, key: str) -> bytes | None:
    """A value, or None. Raises as :func:`content`."""
    return next((bytes(row[0]) for row in _rows(path, "SELECT value FROM state WHERE key = ?", key.encode())), None)


def delete(path: Path, key: str) -> bool:
    """Delete a key; False where it was not there. Raises as :func:`content`."""
    identify(path)
    until = time.monotonic() + OPEN_WITHIN
    try:
        transaction = FunctionState(StateGrant(path)).begin(lambda: time.monotonic() > until)
    except Refusal as refusal:
        raise UnavailableError(refusal.reason, where=str(path), cure=refusal.cure) from refusal
    found = False
    try:
        found = transaction.delete(key.encode())
    finally:
        transaction.commit() if found else transaction.rollback()
    return found


def _rows(path: Path, statement: str, *values: object) -> Iterator[Any]:
    with translated(path), closing(reader(path)) as connection:
        if not is_empty(connection):
            yield from connection.execute(statement, values)
