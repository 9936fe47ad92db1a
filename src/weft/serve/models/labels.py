"""Class names, and the best classes of an output in place of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from weft.core.dtypes import BYTES
from weft.core.errors import InputError, NotFoundError, TensorError
from weft.core.tensor import Array, Tensor

_MOST_BYTES = 16 * 2**20


def read_labels(path: Path) -> tuple[str, ...]:
    """The lines of a text file. Raises NotFoundError, and InputError for what is no text."""
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        cure = "check the path of the labels"
        raise NotFoundError(f"the labels cannot be read: {error.strerror}", where=str(path), cure=cure) from error
    if data is None:
        raise InputError("the labels are over 16 MiB", where=str(path), cure="give a text file, a name on each line")
    try:
        return tuple(line.strip() for line in data.decode().splitlines())
    except UnicodeDecodeError as error:
        raise InputError("the labels are no UTF-8 text", where=str(path), cure="save them as UTF-8") from error


def best_classes(tensor: Tensor, count: int, labels: Sequence[str], where: str) -> Tensor:
    """The ``count`` largest values along the last dimension as BYTES ``value:index:label``, the best first.

    Where there is no label, ``value:index``. Raises TensorError for a tensor that holds no numbers.
    """
    if tensor.dtype is BYTES or not tensor.shape:
        what = f"there are no classes in {tensor.dtype}{list(tensor.shape)}"
        raise TensorError(what, where=where, cure="ask for classes of an output of numbers with one dimension or more")
    numbers = tensor.numbers()
    rows = numbers.reshape(-1, numbers.shape[-1])
    best = _best(rows, min(count, rows.shape[1]))
    named = [_named(row, indexes, labels) for row, indexes in zip(rows, best, strict=True)]
    out = np.empty(best.shape, dtype=np.object_)
    out[:] = named
    return Tensor(out.reshape(*tensor.shape[:-1], best.shape[1]), BYTES)


def _best(rows: Array, count: int) -> Array:
    """The indexes of the largest, in each row; of equal ones the first."""
    return np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :count]


def _named(row: Array, indexes: Array, labels: Sequence[str]) -> list[bytes]:
    return [
        f"{float(row[at]):f}:{at}:{labels[at]}".encode() if at < len(labels) else f"{float(row[at]):f}:{at}".encode()
        for at in map(int, indexes)
    ]
