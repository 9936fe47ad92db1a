"""Requests joined to one batch, and the batch taken apart again, along the first dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np

from weft.core.errors import ModelError
from weft.core.model import ModelInfo
from weft.core.tensor import Tensor

Shapes = tuple[tuple[int, ...], ...]


def has_batch_dimension(info: ModelInfo) -> bool:
    """Whether the first dimension of every input and output is open: only then can requests be joined."""
    return all(port.shape is not None and port.shape[:1] == (None,) for port in (*info.inputs, *info.outputs))


def rows_of(feeds: Sequence[Tensor]) -> int:
    """The rows of a request; 0 where its inputs do not agree, so that it cannot be joined to others."""
    rows = {tensor.shape[0] for tensor in feeds}
    return rows.pop() if len(rows) == 1 else 0


def shapes_of(feeds: Sequence[Tensor]) -> Shapes:
    """What must be the same of two requests to join them: every shape without its rows."""
    return tuple(tensor.shape[1:] for tensor in feeds)


def joined(requests: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """One request's inputs from those of several."""
    first = requests[0]
    return {
        name: Tensor(np.concatenate([request[name].array for request in requests]), tensor.dtype)
        for name, tensor in first.items()
    }


def parted(outputs: Mapping[str, Tensor], rows: Sequence[int], where: str) -> list[dict[str, Tensor]]:
    """Each request's share of a batch's outputs.

    Raises ModelError where an output has not as many rows as the inputs.
    """
    ends = list(accumulate(rows))
    for name, tensor in outputs.items():
        if not tensor.shape or tensor.shape[0] != ends[-1]:
            what = f"output '{name}' has shape {list(tensor.shape)} for a batch of {ends[-1]}"
            raise ModelError(what, where=where, cure="serve this model with a largest batch of 1")
    return [
        {name: Tensor(tensor.array[end - count : end], tensor.dtype) for name, tensor in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]
