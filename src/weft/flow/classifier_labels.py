"""The names of a model's classes."""

from __future__ import annotations

from pathlib import Path

from weft.core.errors import InputError, NotFoundError
from weft.core.files import read_whole
from weft.core.units import format_size

MAX_LABELS = 16 * 2**20
"""Bytes of a file of labels."""


def read_labels(path: Path) -> list[str]:
    """The names in a file, one per line; empty lines at its end do not count.

    Raises NotFoundError when it cannot be read and InputError for what is no UTF-8 text, or too much.
    """
    try:
        data = read_whole(path, MAX_LABELS)
    except OSError as error:
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path), cure="check the path") from error
    if len(data) > MAX_LABELS:
        raise InputError(f"labels have at most {format_size(MAX_LABELS)}", where=str(path), cure="name another file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("is no UTF-8 text", where=str(path), cure="give a text file, a name per line") from error
    # Not splitlines: a label may hold characters that it takes for the end of a line.
    names = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise InputError("has no labels", where=str(path), cure="write a name per line, class 0 first")
    return names
