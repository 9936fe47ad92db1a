"""Pictures: right pixels from every format, decoded when needed and once, clear errors for what does not decode."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.media.making import decoded, distance, encoded, scene, shrunk
from weft.core.errors import MediaError
from weft.core.frame import Frame
from weft.core.picture import PixelFormat
from weft.media import rasters
from weft.media.images import open_picture, picture_from_array, picture_of

KINDS = ("JPEG", "PNG", "WEBP", "BMP")


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The scale of every JPEG decoding during the test."""
    scales: list[int] = []
    real = rasters._jpeg

    def counted(data: bytes, size: tuple[int, int], scale: int) -> tuple[rasters.Pixels, int]:
        scales.append(scale)
        return real(data, size, scale)

    monkeypatch.setattr(rasters, "_jpeg", counted)
    return scales


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_pillow_gives(kind: str) -> None:
    data = encoded(scene(131, 77), kind)
    picture = open_picture(data)
    full = decoded(data)
    assert np.array_equal(picture.pixels(131, 77), full)
    assert np.array_equal(picture.pixels(90, 50), shrunk(full, 90, 50))
    assert np.array_equal(picture.pixels(200, 100), shrunk(full, 200, 100))


def test_pictures_of_one_size_do_not_see_each_other() -> None:
    first, second = scene(64, 48), scene(64, 48)[::-1].copy()
    got = [picture_from_array(pixels).pixels(20, 10) for pixels in (first, second, first)]
    assert np.array_equal(got[0], shrunk(first, 20, 10))
    assert np.array_equal(got[1], shrunk(second, 20, 10))
    assert np.array_equal(got[2], got[0])


def test_formats_are_the_same_picture() -> None:
    picture = open_picture(encoded(scene(50, 40), "PNG"))
    rgb = picture.pixels(20, 10)
    assert np.array_equal(picture.pixels(20, 10, PixelFormat.BGR8), rgb[:, :, ::-1])
    grey = picture.pixels(20, 10, PixelFormat.GRAY8)
    assert grey.shape == (10, 20)
    assert np.array_equal(grey, np.asarray(Image.fromarray(rgb).convert("L")))
    assert picture.pixels(50, 40, PixelFormat.BGR8).flags.c_contiguous


def test_grey_pictures_stay_exact_in_every_format() -> None:
    grey = scene(30, 20)[:, :, 0]
    picture = open_picture(encoded(grey, "PNG", "L"))
    assert np.array_equal(picture.pixels(30, 20, PixelFormat.GRAY8), grey)
    assert np.array_equal(picture.pixels(30, 20), np.stack((grey,) * 3, axis=-1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_every_mode_of_png_is_read(mode: str) -> None:
    data = encoded(scene(40, 30), "PNG", mode)
    assert np.array_equal(open_picture(data).pixels(40, 30), decoded(data))


def test_sixteen_bit_png_keeps_its_high_byte() -> None:
    out = BytesIO()
    Image.fromarray((np.arange(256, dtype=np.uint16) << 8).reshape(16, 16)).save(out, "PNG")
    grey = open_picture(out.getvalue()).pixels(16, 16, PixelFormat.GRAY8)
    assert np.array_equal(grey.reshape(-1), np.arange(256))


def test_cmyk_jpeg_is_read_as_pillow_reads_it() -> None:
    data = encoded(scene(40, 30), "JPEG", "CMYK")
    assert np.array_equal(open_picture(data).pixels(40, 30), decoded(data))


def test_a_jpeg_of_unusual_subsampling_is_read() -> None:
    # A uniform picture has the same code for every block, so that the sampling factors may be changed.
    data = bytearray(encoded(np.full((64, 64, 3), 128, np.uint8), "JPEG", optimize=True, subsampling=0))
    start = data.index(b"\xff\xc0")
    assert data[start + 11] == 0x11
    data[start + 11] = 0x42
    assert distance(open_picture(bytes(data)).pixels(32, 32), np.full((32, 32, 3), 128, np.uint8)) == 0
    assert distance(open_picture(bytes(data)).pixels(4, 4), np.full((4, 4, 3), 128, np.uint8)) == 0


def test_progressive_and_grey_jpeg_are_read() -> None:
    for data in (encoded(scene(64, 48), "JPEG", progressive=True), encoded(scene(64, 48), "JPEG", "L")):
        assert np.array_equal(open_picture(data).pixels(64, 48), decoded(data))


def test_opening_decodes_nothing(decodings: list[int]) -> None:
    picture = open_picture(encoded(scene(640, 480), "JPEG"))
    assert (picture.width, picture.height) == (640, 480)
    assert decodings == []


def test_a_jpeg_is_decoded_once_at_the_smallest_sufficient_scale(decodings: list[int]) -> None:
    picture = open_picture(encoded(scene(1280, 960), "JPEG"))
    picture.pixels(150, 110)
    picture.pixels(75, 55)
    assert decodings == [4]
    picture.pixels(300, 240)
    picture.pixels(320, 240)
    picture.pixels(150, 111)
    assert decodings == [4, 2]
    picture.pixels(1000, 700)
    picture.pixels(1280, 960)
    picture.pixels(10, 10)
    assert decodings == [4, 2, 1]


@pytest.mark.parametrize("size", [(1281, 963), (643, 427), (1000, 517)])
def test_scaled_decoding_stays_near_the_reference_also_for_odd_sizes(size: tuple[int, int]) -> None:
    data = encoded(scene(*size), "JPEG", quality=92)
    for divisor in (4, 7, 16, 30):
        wanted = (size[0] // divisor, size[1] // divisor)
        assert distance(open_picture(data).pixels(*wanted), shrunk(decoded(data), *wanted)) < 0.7


def test_a_result_is_shared_and_read_only() -> None:
    picture = open_picture(encoded(scene(64, 48), "JPEG"))
    pixels = picture.pixels(32, 24)
    assert picture.pixels(32, 24) is pixels
    assert not pixels.flags.writeable
    assert pixels.flags.c_contiguous


def test_the_array_a_picture_was_made_from_stays_writable() -> None:
    array = scene(8, 6)
    picture_from_array(array).pixels(8, 6)
    assert array.flags.writeable


@pytest.mark.parametrize("shape", [(4, 4, 4), (4,), (0, 4, 3)])
def test_arrays_that_are_no_picture_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(MediaError):
        picture_from_array(np.zeros(shape, np.uint8))
    with pytest.raises(MediaError, match="float64"):
        picture_from_array(np.zeros((4, 4, 3)))  # type: ignore[arg-type]  # the mistake under test


def test_many_threads_reading_one_picture_get_the_right_pixels(decodings: list[int]) -> None:
    data = encoded(scene(640, 480), "JPEG")
    picture = open_picture(data)
    sizes = [(300 - 4 * index, 200 - 4 * index) for index in range(8)]
    barrier = Barrier(len(sizes))

    def read(size: tuple[int, int]) -> rasters.Pixels:
        barrier.wait(10)
        return picture.pixels(*size)

    with ThreadPoolExecutor(len(sizes)) as pool:
        got = list(pool.map(read, sizes))
    full = decoded(data)
    assert all(distance(pixels, shrunk(full, *size)) < 0.5 for pixels, size in zip(got, sizes, strict=True))
    assert len(decodings) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_picture_is_a_media_error(kind: str) -> None:
    data = encoded(scene(200, 150), kind)
    picture = open_picture(data[: len(data) // 2])
    assert (picture.width, picture.height) == (200, 150)
    with pytest.raises(MediaError, match="does not decode") as caught:
        picture.pixels(200, 150)
    assert "whole" in caught.value.cure


def test_stray_bytes_between_jpeg_segments_are_read_past() -> None:
    data = encoded(scene(64, 48), "JPEG")
    stray = data[:-2] + b"\x00\x00\x00" + data[-2:]
    assert distance(open_picture(stray).pixels(64, 48), decoded(data)) == 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.floats(0.05, 1), st.binary(min_size=1, max_size=8))
def test_damaged_pictures_decode_or_give_a_media_error(kind: str, where: float, noise: bytes) -> None:
    data = encoded(scene(48, 32), kind)
    at = int(where * len(data))
    try:
        pixels = open_picture(data[:at] + noise + data[at + len(noise) :]).pixels(24, 16)
    except MediaError:
        return
    assert pixels.shape == (16, 24, 3)


@pytest.mark.parametrize("size", [(0, 10), (10, -1), (100_000, 100_000)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    picture = open_picture(encoded(scene(10, 10), "PNG"))
    with pytest.raises(MediaError):
        picture.pixels(*size)
    with pytest.raises(MediaError):
        picture.planes(*size)


@pytest.mark.parametrize("media_type", ["image/png", "image/bmp"])
def test_lossless_types_encode_exactly(media_type: str) -> None:
    pixels = scene(31, 17)
    assert np.array_equal(decoded(picture_from_array(pixels).encode(media_type)), pixels)


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/webp"])
def test_lossy_types_encode_nearly(media_type: str) -> None:
    pixels = scene(64, 48)
    data = picture_from_array(pixels).encode(media_type)
    assert open_picture(data).pixels(64, 48).shape == (48, 64, 3)
    assert distance(decoded(data), pixels) < 4


def test_raw_is_rgb_rows_and_comes_back_by_its_headers() -> None:
    pixels = scene(31, 17)
    raw = picture_from_array(pixels).encode("image/x-raw")
    headers = {"width": "31", "height": "17", "format": "rgb8"}
    frame = Frame(raw, media_type="image/x-raw", headers=headers)
    assert np.array_equal(picture_of(frame).pixels(31, 17), pixels)
    assert frame.picture is picture_of(frame)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "without its size"),
        ({"width": "x", "height": "1"}, "without its size"),
        ({"width": "3", "height": "1", "format": "yuv"}, "'yuv'"),
        ({"width": "3", "height": "2"}, "9 bytes are no 3x2"),
        ({"width": "100000", "height": "100000"}, "over the limit"),
    ],
)
def test_raw_pictures_with_wrong_headers_are_refused(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        picture_of(Frame(b"\0" * 9, media_type="image/x-raw", headers=headers))


def test_encoding_to_the_type_it_came_in_keeps_the_bytes() -> None:
    data = encoded(scene(20, 10), "JPEG")
    assert open_picture(data).encode("image/jpeg") is data


def test_a_type_nobody_writes_is_refused_with_a_suggestion() -> None:
    with pytest.raises(MediaError) as caught:
        picture_from_array(scene(8, 8)).encode("image/jpg")
    assert caught.value.cure == "did you mean 'image/jpeg'?"


def test_a_picture_too_wide_for_webp_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="does not fit image/webp"):
        picture_from_array(np.zeros((1, 20_000, 3), np.uint8)).encode("image/webp")


def test_importing_loads_no_codec() -> None:
    code = "import sys, weft.media.images, weft.media.tensors, weft.media.registry; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"PIL", "av", "simplejpeg", "importlib.metadata"} & set(loaded)
