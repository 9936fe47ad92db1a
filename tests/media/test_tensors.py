"""fill_tensor is the plain formula, wherever it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.media.making import scene, write_video
from weft.core.dtypes import BF16, F16, F32, F64, I8, I32, U8, DType
from weft.core.errors import TensorError
from weft.core.picture import Pixels
from weft.media.images import picture_from_array
from weft.media.sources.video import VideoSource
from weft.media.tensors import fill_tensor, tensor_size

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Triple = tuple[float, float, float]


def formula(
    pixels: Pixels, layout: str, dtype: DType, mean: Triple | None, std: Triple | None
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    values = pixels.astype(np.float64)
    if dtype in (F32, F16):
        values = (values / 255 - (mean or (0, 0, 0))) / (std or (1, 1, 1))
    elif dtype is I8:
        values = values - 128
    return values.transpose(2, 0, 1) if layout == "nchw" else values


triples = st.none() | st.tuples(*[st.floats(0.1, 2)] * 3)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["nchw", "nhwc"]),
    st.sampled_from([F32, F16, U8, I8]),
    triples,
    triples,
    st.integers(0, 7),
)
def test_every_layout_dtype_and_alignment_is_the_formula(
    width: int, height: int, layout: str, dtype: DType, mean: Triple | None, std: Triple | None, offset: int
) -> None:
    if dtype in (U8, I8):
        mean = std = None
    picture = picture_from_array(scene(50, 30))
    size = tensor_size(width, height, dtype)
    memory = np.full(size + 16, 0xA5, np.uint8)
    fill_tensor(picture, width, height, layout, dtype, mean, std, memory[offset : offset + size])  # type: ignore[arg-type]  # a drawn str
    wanted = formula(picture.pixels(width, height), layout, dtype, mean, std)
    got = memory[offset : offset + size].view(dtype.numpy).reshape(wanted.shape).astype(np.float64)
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=6e-3 if dtype is F16 else 1e-5)
    assert (memory[:offset] == 0xA5).all()
    assert (memory[offset + size :] == 0xA5).all()


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_pictures_larger_than_a_chunk_are_filled_whole(layout: str) -> None:
    picture = picture_from_array(scene(500, 400))
    out = np.zeros(tensor_size(500, 400, F32), np.uint8)
    fill_tensor(picture, 500, 400, layout, F32, MEAN, STD, out)  # type: ignore[arg-type]  # a parametrised str
    wanted = formula(picture.pixels(500, 400), layout, F32, MEAN, STD)
    np.testing.assert_allclose(out.view(np.float32).reshape(wanted.shape), wanted, atol=1e-5)


def test_video_and_its_pixels_give_the_same_tensor(tmp_path: Path) -> None:
    frame = next(VideoSource(write_video(tmp_path / "v.mp4", count=1, size=(70, 50))).frames())
    assert frame.picture is not None
    for layout in ("nchw", "nhwc"):
        out = np.zeros(tensor_size(33, 21, F32), np.uint8)
        fill_tensor(frame.picture, 33, 21, layout, F32, MEAN, STD, out)
        wanted = formula(frame.picture.pixels(33, 21), layout, F32, MEAN, STD)
        np.testing.assert_allclose(out.view(np.float32).reshape(wanted.shape), wanted, atol=1e-5)


def fill(**changes: object) -> None:
    arguments = {"width": 4, "height": 4, "layout": "nchw", "dtype": F32, "mean": None, "std": None}
    out = changes.pop("out", np.zeros(4 * 4 * 3 * 4, np.uint8))
    fill_tensor(picture_from_array(scene(8, 8)), **arguments | changes, out=out)  # type: ignore[arg-type]  # mistakes under test


@pytest.mark.parametrize("dtype", [F64, I32, BF16])
def test_other_dtypes_are_refused(dtype: DType) -> None:
    with pytest.raises(TensorError, match=f"cannot become a {dtype} tensor") as caught:
        fill(dtype=dtype)
    assert "f32" in caught.value.cure


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": U8, "mean": MEAN, "out": np.zeros(48, np.uint8)}, "do not go with u8"),
        ({"dtype": I8, "std": STD, "out": np.zeros(48, np.uint8)}, "do not go with i8"),
        ({"std": (1, 0, 1)}, "do not normalise"),
        ({"mean": (1, float("nan"), 1)}, "do not normalise"),
        ({"mean": (1, 1)}, "mean has 2 values"),
        ({"layout": "chw"}, "no layout 'chw'"),
        ({"out": np.zeros(191, np.uint8)}, "needs 192 bytes, not 191"),
        ({"out": np.zeros(48, np.float32)}, "flat"),
        ({"out": np.zeros(384, np.uint8)[::2]}, "contiguous"),
        ({"out": np.frombuffer(bytes(192), np.uint8)}, "writable"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(TensorError, match=reason):
        fill(**changes)
