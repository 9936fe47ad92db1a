"""What the sandbox is given by the layers beside it: pictures and models. It imports neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from weft.core.dtypes import DType
from weft.core.frame import Frame
from weft.core.model import Layout, ModelProvider
from weft.core.picture import Picture


class FillTensor(Protocol):
    """Writes a picture as a tensor: ``(rgb / 255 - mean) / std``, or raw values for u8."""

    def __call__(
        self,
        picture: Picture,
        width: int,
        height: int,
        layout: Layout,
        dtype: DType,
        mean: tuple[float, float, float] | None,
        std: tuple[float, float, float] | None,
        out: np.ndarray[Any, np.dtype[np.uint8]],
    ) -> None:
        """Fill ``out``, a flat u8 view of exactly the tensor's size."""


@dataclass(frozen=True, slots=True)
class Services:
    """The host's abilities that host modules draw on.

    Attributes:
        models: loads models from files and bytes.
        open_picture: a picture from bytes and a media type; nothing is decoded yet.
        picture_of: the picture a frame shows, kept with the frame for whoever comes next.
        fill_tensor: a picture as a tensor in guest memory.
    """

    models: ModelProvider
    open_picture: Callable[[bytes, str], Picture]
    picture_of: Callable[[Frame], Picture]
    fill_tensor: FillTensor
