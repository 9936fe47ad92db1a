"""A picture as a model wants it: resized, normalised, in its layout and dtype, written straight to its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from weft.core.dtypes import F16, F32, I8, U8, DType
from weft.core.errors import TensorError
from weft.core.model import Layout
from weft.core.picture import Picture, Pixels
from weft.media.images import LazyPicture
from weft.media.rasters import split

Channels = tuple[float, float, float]
_Array = np.ndarray[Any, np.dtype[Any]]

# Elements worked on at a time: a float plane of 224x224 in one go, larger pictures in pieces that stay in the cache.
_CHUNK = 1 << 16


def tensor_size(width: int, height: int, dtype: DType) -> int:
    """Bytes :func:`fill_tensor` writes: three channels of ``dtype``."""
    return width * height * 3 * dtype.itemsize


def fill_tensor(
    picture: Picture,
    width: int,
    height: int,
    layout: Layout,
    dtype: DType,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    out: Pixels,
) -> None:
    """Write ``picture``, resized to ``width`` x ``height``, into ``out`` as an RGB tensor.

    f32 and f16 hold (rgb/255 - mean)/std, or rgb/255 where both are None (a missing mean is 0, a missing std 1).
    u8 holds 0..255; i8 holds the same less 128, as quantised models count. Neither takes a mean or std.

    ``out`` is a flat, contiguous, writable u8 array of exactly :func:`tensor_size` bytes; it need not be aligned.
    Nothing is allocated beyond the u8 picture (f16: plus a chunk). Raises TensorError for another dtype or
    layout, a wrong size, a zero std; MediaError when the picture does not decode.
    """
    fill = _FILLS.get(dtype.name)
    if fill is None:
        raise TensorError(f"a picture cannot become a {dtype} tensor", cure=f"one of {', '.join(_FILLS)}")
    if dtype in (U8, I8) and not (mean is None and std is None):
        raise TensorError(f"mean and std do not go with {dtype}", cure="leave them out, or ask for f32")
    _check_out(out, tensor_size(width, height, dtype))
    factors = _factors(_channels(mean, "mean"), _channels(std, "std"))
    for target, source, channel in _parts(picture, width, height, layout, out.view(dtype.numpy)):
        fill(target, source, factors, channel)


def _check_out(out: Pixels, needed: int) -> None:
    if out.dtype != np.uint8 or out.ndim != 1 or not out.flags.c_contiguous or not out.flags.writeable:
        raise TensorError("a tensor is written to a flat, contiguous, writable u8 array")
    if out.size != needed:
        raise TensorError(f"the tensor needs {needed} bytes, not {out.size}", cure="check width, height and dtype")


def _channels(values: Sequence[float] | None, name: str) -> Channels | None:
    if values is None:
        return None
    if len(values) != 3:
        raise TensorError(f"{name} has {len(values)} values", cure="give one for each of red, green and blue")
    return float(values[0]), float(values[1]), float(values[2])


class _Factors:
    """Normalisation as one multiplication and one addition per channel: rgb * scale + bias."""

    def __init__(self, mean: Channels, std: Channels) -> None:
        self.scale = (1 / (255 * np.array(std))).astype(np.float32)
        self.bias = (-np.array(mean) / std).astype(np.float32)

    def table(self, channel: int) -> _Array:
        """What each of the 256 values becomes, f16."""
        values = np.arange(256, dtype=np.float32) * self.scale[channel] + self.bias[channel]
        table: _Array = values.astype(np.float16)
        return table


@lru_cache(maxsize=64)
def _factors(mean: Channels | None, std: Channels | None) -> _Factors:
    spread = std or (1.0, 1.0, 1.0)
    if not all(np.isfinite((*spread, *(mean or ())))) or 0.0 in spread:
        raise TensorError(f"mean {mean} and std {std} do not normalise", cure="std must not be 0, both must be finite")
    return _Factors(mean or (0.0, 0.0, 0.0), spread)


@lru_cache(maxsize=64)
def _rows(factors: _Factors, width: int) -> tuple[_Array, _Array]:
    """Scale and bias for one row of interleaved pixels."""
    return np.tile(factors.scale, width), np.tile(factors.bias, width)


_ALL = -1
_Part = tuple[_Array, Pixels, int]


def _parts(picture: Picture, width: int, height: int, layout: Layout, out: _Array) -> Iterator[_Part]:
    """Target rows, source rows and channel, chunk by chunk; interleaved rows have channel ``_ALL``."""
    if layout == "nchw":
        planes = picture.planes(width, height) if isinstance(picture, LazyPicture) else None
        for channel, plane in enumerate(planes or split(picture.pixels(width, height))):
            yield from _chunks(out.reshape(3, height, width)[channel], plane, channel)
    elif layout == "nhwc":
        rows = picture.pixels(width, height).reshape(height, width * 3)
        yield from _chunks(out.reshape(height, width * 3), rows, _ALL)
    else:
        raise TensorError(f"no layout '{layout}'", cure="nhwc or nchw")


def _chunks(target: _Array, source: Pixels, channel: int) -> Iterator[_Part]:
    step = max(1, _CHUNK // source.shape[1])
    for start in range(0, source.shape[0], step):
        yield target[start : start + step], source[start : start + step], channel


def _fill_f32(target: _Array, source: Pixels, factors: _Factors, channel: int) -> None:
    scale, bias = _rows(factors, source.shape[1] // 3) if channel == _ALL else (factors.scale, factors.bias)
    at = slice(None) if channel == _ALL else channel
    target[...] = source
    np.multiply(target, scale[at], out=target)
    if factors.bias.any():
        np.add(target, bias[at], out=target)


def _fill_f16(target: _Array, source: Pixels, factors: _Factors, channel: int) -> None:
    # numpy computes in f16 without hardware; looking 256 results up is three times as fast, and rounds once.
    if channel != _ALL:
        np.take(factors.table(channel), source, out=target, mode="clip")
        return
    for one in range(3):
        target[:, one::3] = factors.table(one)[source[:, one::3]]


def _fill_u8(target: _Array, source: Pixels, _factors: _Factors, _channel: int) -> None:
    target[...] = source


def _fill_i8(target: _Array, source: Pixels, _factors: _Factors, _channel: int) -> None:
    np.bitwise_xor(source, 0x80, out=target.view(np.uint8))


_FILLS: dict[str, Callable[[_Array, Pixels, _Factors, int], None]] = {
    F32.name: _fill_f32,
    F16.name: _fill_f16,
    U8.name: _fill_u8,
    I8.name: _fill_i8,
}
