"""Video frames as pictures: near the reference, one and the same for every way to ask."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from PIL import Image

from tests.media.making import distance, scene, shrunk
from weft.core.errors import MediaError
from weft.core.picture import PixelFormat
from weft.media.images import LazyPicture, picture_from_video
from weft.media.video_raster import _MAX_SCALERS, _Scalers


def yuv(width: int, height: int, pixel_format: str = "yuv420p") -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(scene(width, height), format="rgb24").reformat(format=pixel_format)


def picture(width: int, height: int, pixel_format: str = "yuv420p") -> LazyPicture:
    return picture_from_video(yuv(width, height, pixel_format))


SIZES = [(224, 224), (480, 270), (97, 31), (640, 360), (16, 12), (7, 300)]


@pytest.mark.parametrize("size", SIZES)
def test_resizing_is_near_pillows_antialiased_bilinear(size: tuple[int, int]) -> None:
    whole = picture(480, 270)
    reference = shrunk(whole.pixels(480, 270), *size)
    assert distance(whole.pixels(*size), reference) < 1.0


def test_the_smallest_size_works() -> None:
    assert picture(480, 270).pixels(1, 1).shape == (1, 1, 3)


def test_the_full_size_is_near_the_original() -> None:
    assert distance(picture(480, 270).pixels(480, 270), scene(480, 270)) < 2.5


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "nv12", "rgb24", "gray", "yuv444p10le"])
def test_what_decoders_give_is_read(pixel_format: str) -> None:
    original = scene(98, 62)
    if pixel_format == "gray":
        original = np.stack((np.asarray(Image.fromarray(original).convert("L")),) * 3, axis=-1)
    assert distance(picture(98, 62, pixel_format).pixels(98, 62), original) < 4


def test_planes_and_formats_are_the_same_picture() -> None:
    shown = picture(120, 90)
    rgb = shown.pixels(50, 40)
    assert np.array_equal(np.stack(shown.planes(50, 40), axis=-1), rgb)
    assert np.array_equal(shown.pixels(50, 40, PixelFormat.BGR8), rgb[:, :, ::-1])
    grey = shown.pixels(50, 40, PixelFormat.GRAY8)
    assert distance(grey, np.asarray(Image.fromarray(rgb).convert("L"))) < 2


def test_threads_reading_one_frame_at_once_get_the_same() -> None:
    shared = 6
    shown = picture(320, 240)
    alone = [picture(320, 240).pixels(100 + index, 80) for index in range(shared)]

    def read(index: int) -> Sequence[int]:
        return shown.pixels(100 + index, 80).tolist()

    with ThreadPoolExecutor(shared) as pool:
        for _ in range(5):
            assert list(pool.map(read, range(shared))) == [pixels.tolist() for pixels in alone]


def test_results_outlive_the_frame_they_came_from() -> None:
    red, green, blue = picture(64, 64).planes(32, 32)
    others = [picture(64, 64).planes(32, 32) for _ in range(20)]
    assert all(np.array_equal(red, other[0]) for other in others)
    assert green.shape == blue.shape == (32, 32)


def test_contexts_are_kept_up_to_a_bound() -> None:
    scalers = _Scalers()
    first = scalers.get(0)
    assert scalers.get(0) is first
    for key in range(1, _MAX_SCALERS + 1):
        scalers.get(key)
    assert scalers.get(0) is not first


def test_it_encodes_like_any_picture() -> None:
    shown = picture(64, 48)
    assert np.asarray(Image.frombytes("RGB", (64, 48), shown.encode("image/x-raw"))).tolist()
    assert shown.encode("image/jpeg")[:3] == b"\xff\xd8\xff"


def test_a_frame_over_the_limit_is_refused() -> None:
    with pytest.raises(MediaError, match="over the limit"):
        picture_from_video(av.VideoFrame(16384, 8192, "gray"))
