"""``weft:function/image``: the frame as a picture. Pixels stay with the host as a tensor, unless they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from weft.core.model import Layout
from weft.core.tensor import Tensor
from weft.wasm.component.handles import Handles
from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.wasi_nn_tensors import DTYPES, TENSOR, TENSOR_TYPE
from weft.wasm.component.interfaces.weft_types import ERROR, LAYOUT, PIXEL_FORMAT, WeftInterface
from weft.wasm.component.latin1 import MAX_LIST, to_text
from weft.wasm.component.types import BYTES, F32, STRING, U32, Option, Own, Result, Tuple
from weft.wasm.guard import Refusal
from weft.wasm.pictures import FORMATS, Out, Triple, fill_pixels, fill_tensor, picture_of, pixels_size, tensor_size

_CHANNELS = Option(Tuple((F32, F32, F32)))


class WeftImage(WeftInterface):
    """Size, pixels, and the picture as a model's input."""

    name = "weft:function/image"
    takes_frame = True
    resources: ClassVar[Mapping[str, int]] = {"tensor": TENSOR}

    @offered(result=Result(Tuple((U32, U32)), ERROR))
    def size(self) -> tuple[int, int]:
        """Width and height."""
        picture = picture_of(self.instance)
        return picture.width, picture.height

    @offered(U32, U32, PIXEL_FORMAT, result=Result(BYTES, ERROR))
    def read(self, width: int, height: int, pixel_format: str) -> Out:
        """The picture, resized: u8, or f32 from 0 to 1 for rgb32f."""
        size = pixels_size(width, height, FORMATS.index(pixel_format))
        if size > MAX_LIST:
            raise Refusal(
                "too_large",
                f"{width} x {height} as {pixel_format} is {size} bytes, over the {MAX_LIST} of a list",
                "ask for fewer pixels, for text (read-latin1), or for a tensor (to-tensor), which stays with the host",
            )
        return self._pixels(width, height, pixel_format)

    @offered(U32, U32, PIXEL_FORMAT, result=Result(STRING, ERROR))
    def read_latin1(self, width: int, height: int, pixel_format: str) -> str:
        """The same as text."""
        return to_text(self._pixels(width, height, pixel_format))

    @offered(U32, U32, LAYOUT, TENSOR_TYPE, _CHANNELS, _CHANNELS, result=Result(Own(TENSOR), ERROR))
    def to_tensor(
        self, width: int, height: int, layout: Layout, ty: str, mean: Triple | None, std: Triple | None
    ) -> int:
        """``(rgb / 255 - mean) / std`` for floats, raw for u8."""
        dtype = DTYPES[ty]
        size = tensor_size(width, height, dtype)
        handles = self.instance.host(Handles)
        handles.room(size)
        out = np.empty(size, np.uint8)
        fill_tensor(self.instance, width, height, layout, dtype, mean, std, out)
        shape = (1, 3, height, width) if layout == "nchw" else (1, height, width, 3)
        return handles.add(Tensor.from_buffer(dtype, shape, out), size)

    def _pixels(self, width: int, height: int, pixel_format: str) -> Out:
        number = FORMATS.index(pixel_format)
        size = pixels_size(width, height, number)
        self.instance.host(Handles).room_for_bytes(size)
        out = np.empty(size, np.uint8)
        fill_pixels(self.instance, width, height, number, out)
        return out
