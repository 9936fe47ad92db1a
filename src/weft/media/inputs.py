"""Pictures as the input of one model, frame after frame: everything that can be worked out is worked out before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from weft.core.dtypes import BF16, BOOL, BYTES, F16, F32, F64, I8, U8, DType
from weft.core.errors import TensorError
from weft.core.model import Layout
from weft.core.picture import Picture, PixelFormat, Pixels
from weft.core.tensor import Array, Tensor
from weft.media.images import LazyPicture
from weft.media.rasters import split

Order = Literal["rgb", "bgr", "luma"]
Numbers = np.ndarray[Any, np.dtype[np.float64]]

FLOATS = (F16, F32, F64)
_FORMATS = {"rgb": PixelFormat.RGB8, "bgr": PixelFormat.BGR8, "luma": PixelFormat.GRAY8}

# Elements of a float tensor that are worked on at a time, so that they stay in the cache.
_CHUNK = 1 << 16

# The "channel" of rows in which the channels follow each other.
_ALL = -1


def channels(order: Order) -> int:
    """How many numbers a pixel has."""
    return 1 if order == "luma" else 3


class Scaling:
    """What becomes of a pixel's 0 to 255: times ``scale`` plus ``bias``, one of each per channel."""

    def __init__(self, scale: Sequence[float], bias: Sequence[float]) -> None:
        self.scale: Numbers = np.array(scale, np.float64)
        self.bias: Numbers = np.array(bias, np.float64)

    @classmethod
    def raw(cls, order: Order, dtype: DType) -> Scaling:
        """0 to 255 as they are; in an i8 tensor less 128, as quantised models count."""
        count = channels(order)
        return cls([1.0] * count, [-128.0 if dtype is I8 else 0.0] * count)

    @classmethod
    def normal(cls, order: Order, mean: Sequence[float], std: Sequence[float]) -> Scaling:
        """0 to 1, less ``mean``, over ``std``, each of them one number or one per channel in the order of the pixels.

        Raises TensorError for a std of 0 and for numbers that are not finite.
        """
        middle, spread = (np.broadcast_to(np.array(values, np.float64), channels(order)) for values in (mean, std))
        if not np.isfinite([*middle, *spread]).all() or not spread.all():
            raise TensorError(f"mean {mean} and std {std} do not normalise", cure="std must not be 0, both finite")
        return cls((1 / (255 * spread)).tolist(), (-middle / spread).tolist())

    def quantised(self, step: float, zero_point: int) -> Scaling:
        """The same values as a quantised tensor stores them."""
        return Scaling((self.scale / step).tolist(), (self.bias / step + zero_point).tolist())

    @property
    def changes_nothing(self) -> bool:
        """True where 0 to 255 stay what they are."""
        return bool((self.scale == 1).all() and not self.bias.any())


class PictureInput:
    """Turns pictures into one model's input. For one thread: the tensor it gives is good until the next one.

    Args:
        width: pixels across.
        height: pixels down.
        order: the channels.
        layout: where the channels stand.
        shape: the tensor's shape: the elements of one picture, in any arrangement that ``layout`` fills in order.
        dtype: f16, f32, f64 or an integer.
        scaling: what becomes of the numbers. Integers are rounded, and end at their limits.

    Raises TensorError for another dtype or a shape of another size.
    """

    def __init__(
        self,
        width: int,
        height: int,
        order: Order,
        layout: Layout,
        shape: tuple[int, ...],
        dtype: DType,
        scaling: Scaling,
    ) -> None:
        if dtype in (BF16, BOOL, BYTES):
            raise TensorError(f"a picture cannot become a {dtype} tensor", cure="f16, f32, f64 or an integer")
        if width * height * channels(order) != np.prod(shape, dtype=np.int64):
            raise TensorError(f"a picture of {width}x{height} in {order} does not fill {list(shape)}")
        self._size = (width, height)
        self._order: Order = order
        self._planar = layout == "nchw" and order != "luma"
        self._dtype = dtype
        self._scaling = scaling
        # A u8 picture that is already arranged like the tensor is given to the model as it is.
        self._as_it_is = dtype is U8 and scaling.changes_nothing and not self._planar
        self._shape = shape
        self._tensor = Tensor(np.empty(0 if self._as_it_is else shape, dtype.numpy), dtype)
        self._fill = self._filling()

    def tensor(self, picture: Picture) -> Tensor:
        """The picture, resized. The model may read it; nobody may write to it. Raises MediaError."""
        if self._as_it_is:
            return Tensor(picture.pixels(*self._size, _FORMATS[self._order]).reshape(self._shape), U8)
        for target, source, channel in self._parts(picture):
            self._fill(target, source, channel)
        return self._tensor

    def _parts(self, picture: Picture) -> Iterator[tuple[Array, Pixels, int]]:
        """Target rows, source rows and channel, chunk by chunk."""
        width, height = self._size
        if self._planar:
            planes = picture.planes(width, height) if isinstance(picture, LazyPicture) else None
            planes = planes or split(picture.pixels(width, height))
            target = self._tensor.array.reshape(3, height, width)
            for channel, plane in enumerate(planes if self._order == "rgb" else planes[::-1]):
                yield from _chunks(target[channel], plane, channel)
        else:
            rows = (height, width * channels(self._order))
            source = picture.pixels(width, height, _FORMATS[self._order])
            yield from _chunks(self._tensor.array.reshape(rows), source.reshape(rows), _ALL)

    def _filling(self) -> Any:
        if self._dtype in (F32, F64):
            return _Affine(self._scaling, self._dtype, self._size[0])
        if self._scaling.changes_nothing and self._dtype is U8:
            return _copy
        return _Lookup(self._scaling, self._dtype)


def _chunks(target: Array, source: Pixels, channel: int) -> Iterator[tuple[Array, Pixels, int]]:
    step = max(1, _CHUNK // source.shape[1])
    for start in range(0, source.shape[0], step):
        yield target[start : start + step], source[start : start + step], channel


def _copy(target: Array, source: Pixels, _channel: int) -> None:
    target[...] = source


class _Affine:
    """A multiplication and an addition, left out where they change nothing."""

    def __init__(self, scaling: Scaling, dtype: DType, width: int) -> None:
        self._scale, self._bias = (
            [*values.astype(dtype.numpy), _row(values.astype(dtype.numpy), width)]
            for values in (scaling.scale, scaling.bias)
        )
        self._scales = bool((scaling.scale != 1).any())
        self._shifts = bool(scaling.bias.any())

    def __call__(self, target: Array, source: Pixels, channel: int) -> None:
        target[...] = source
        if self._scales:
            np.multiply(target, self._scale[channel], out=target)
        if self._shifts:
            np.add(target, self._bias[channel], out=target)


def _row(values: Array, width: int) -> Array:
    """A factor for a row of interleaved pixels, picked by ``_ALL``: one number where the channels agree."""
    return values[0] if (values == values[0]).all() else np.tile(values, width)


class _Lookup:
    """What each of the 256 values becomes, looked up: rounds once, and spares f16 sums without hardware."""

    def __init__(self, scaling: Scaling, dtype: DType) -> None:
        values = np.arange(256)[:, None] * scaling.scale + scaling.bias
        if dtype not in FLOATS:
            limits = np.iinfo(dtype.numpy)
            values = np.rint(values).clip(limits.min, limits.max)
        self._tables: list[Array] = [np.ascontiguousarray(column) for column in values.astype(dtype.numpy).T]

    def __call__(self, target: Array, source: Pixels, channel: int) -> None:
        if channel >= 0 or len(self._tables) == 1:
            np.take(self._tables[channel], source, out=target, mode="clip")
            return
        for one, table in enumerate(self._tables):
            target[:, one::3] = table[source[:, one::3]]
