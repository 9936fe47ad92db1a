"""Pictures as a model's input: against the same thing written plainly with numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core.dtypes import BF16, F16, F32, F64, I8, I32, U8, DType
from weft.core.errors import TensorError
from weft.core.model import Layout
from weft.core.picture import PixelFormat, Pixels
from weft.media.images import picture_from_array
from weft.media.inputs import Order, PictureInput, Scaling, channels

RANDOM = np.random.default_rng(3)
PICTURE = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def plainly(pixels: Pixels, order: Order, layout: Layout) -> Any:
    """0 to 255 as float64, in the channels and the layout."""
    if order == "luma":
        values = picture_from_array(pixels).pixels(7, 5, PixelFormat.GRAY8)[..., None]
    else:
        values = pixels if order == "rgb" else pixels[..., ::-1]
    return (values.transpose(2, 0, 1) if layout == "nchw" else values).astype(np.float64)[None]


def made(order: Order, layout: Layout, dtype: DType, scaling: Scaling) -> Any:
    count = channels(order)
    shape = (1, count, 5, 7) if layout == "nchw" else (1, 5, 7, count)
    tensor = PictureInput(7, 5, order, layout, shape, dtype, scaling).tensor(picture_from_array(PICTURE))
    assert tensor.dtype is dtype
    return tensor.array


ORDERS: tuple[Order, ...] = ("rgb", "bgr", "luma")
LAYOUTS: tuple[Layout, ...] = ("nchw", "nhwc")


@pytest.mark.parametrize(
    ("order", "layout", "dtype"), list(itertools.product(ORDERS, LAYOUTS, (U8, I8, I32, F16, F32, F64)))
)
def test_raw_numbers_are_0_to_255(order: Order, layout: Layout, dtype: DType) -> None:
    expected = plainly(PICTURE, order, layout) - (128 if dtype is I8 else 0)
    assert np.array_equal(made(order, layout, dtype, Scaling.raw(order, dtype)), expected)


@pytest.mark.parametrize(("order", "layout", "dtype"), list(itertools.product(ORDERS, LAYOUTS, (F16, F32, F64))))
def test_normalised_numbers_follow_the_order_of_the_channels(order: Order, layout: Layout, dtype: DType) -> None:
    mean, std = (MEAN[:1], STD[:1]) if order == "luma" else (MEAN, STD)
    along = (1, -1, 1, 1) if layout == "nchw" else (1, 1, 1, -1)
    expected = (plainly(PICTURE, order, layout) / 255 - np.reshape(mean, along)) / np.reshape(std, along)
    result = made(order, layout, dtype, Scaling.normal(order, mean, std))
    assert np.allclose(result, expected, atol=2e-3 if dtype is F16 else 1e-5)


@pytest.mark.parametrize(("order", "layout", "dtype"), list(itertools.product(ORDERS, LAYOUTS, (U8, I8))))
def test_quantised_numbers_are_rounded_and_end_at_their_limits(order: Order, layout: Layout, dtype: DType) -> None:
    mean, std = (MEAN[:1], STD[:1]) if order == "luma" else (MEAN, STD)
    along = (1, -1, 1, 1) if layout == "nchw" else (1, 1, 1, -1)
    real = (plainly(PICTURE, order, layout) / 255 - np.reshape(mean, along)) / np.reshape(std, along)
    limits = np.iinfo(dtype.numpy)
    expected = np.rint(real / 0.004 + 5).clip(limits.min, limits.max)
    result = made(order, layout, dtype, Scaling.normal(order, mean, std).quantised(0.004, 5))
    assert np.array_equal(result, expected)
    assert (expected == limits.max).any(), "some numbers are beyond"


@given(st.floats(-1, 1), st.floats(0.01, 1), st.sampled_from(ORDERS), st.sampled_from(LAYOUTS))
@settings(max_examples=40, deadline=None)
def test_any_mean_and_deviation(mean: float, std: float, order: Order, layout: Layout) -> None:
    expected = (plainly(PICTURE, order, layout) / 255 - mean) / std
    assert np.allclose(made(order, layout, F32, Scaling.normal(order, (mean,), (std,))), expected, atol=1e-3)


def test_u8_pixels_are_given_as_they_are_without_a_copy() -> None:
    picture = picture_from_array(PICTURE)
    tensor = PictureInput(7, 5, "rgb", "nhwc", (1, 5, 7, 3), U8, Scaling.raw("rgb", U8)).tensor(picture)
    assert np.shares_memory(tensor.array, PICTURE)


def test_the_buffer_is_used_again_for_the_next_picture() -> None:
    work = PictureInput(7, 5, "rgb", "nchw", (1, 3, 5, 7), F32, Scaling.raw("rgb", F32))
    first = work.tensor(picture_from_array(PICTURE)).array
    second = work.tensor(picture_from_array(255 - PICTURE)).array
    assert first is second
    assert second.max() == 255 - PICTURE.min()


def test_pictures_larger_than_a_chunk_are_filled_to_the_end() -> None:
    large = RANDOM.integers(0, 256, (300, 301, 3), np.uint8)
    for layout in LAYOUTS:
        shape = (1, 3, 300, 301) if layout == "nchw" else (1, 300, 301, 3)
        work = PictureInput(301, 300, "bgr", layout, shape, F32, Scaling.raw("bgr", F32))
        result = work.tensor(picture_from_array(large)).array[0]
        assert np.array_equal(result if layout == "nhwc" else result.transpose(1, 2, 0), large[..., ::-1])


def test_what_cannot_be_filled_is_refused() -> None:
    with pytest.raises(TensorError, match="does not fill"):
        PictureInput(7, 5, "luma", "nhwc", (1, 5, 7, 3), U8, Scaling.raw("luma", U8))
    with pytest.raises(TensorError, match="bf16"):
        PictureInput(7, 5, "rgb", "nhwc", (1, 5, 7, 3), BF16, Scaling.raw("rgb", BF16))
    with pytest.raises(TensorError, match="do not normalise"):
        Scaling.normal("rgb", (0.0,), (0.0,))
