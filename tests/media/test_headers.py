"""Headers: sizes without decoding, and bombs refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.making import encoded, scene
from weft.core.errors import MediaError
from weft.media.headers import MAX_PIXELS, read_header

KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "BMP": "image/bmp"}
SAMPLES = [encoded(scene(33, 21), kind) for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_and_type_are_known_from_the_header(kind: str) -> None:
    header = read_header(encoded(scene(61, 37), kind))
    assert (header.media_type, header.width, header.height) == (KINDS[kind], 61, 37)


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}], ids=["VP8L", "VP8X"]
)
def test_all_forms_of_webp_are_known(options: dict[str, object]) -> None:
    header = read_header(encoded(scene(300, 7), "WEBP", **options))
    assert (header.width, header.height) == (300, 7)


def test_a_bmp_whose_rows_run_from_the_top_is_no_bomb() -> None:
    data = bytearray(encoded(scene(20, 10), "BMP"))
    data[22:26] = struct.pack("<i", -10)
    assert read_header(bytes(data)).height == 10


def test_zero_bytes_are_refused_by_that_name() -> None:
    with pytest.raises(MediaError, match="0 bytes") as caught:
        read_header(b"", "image/jpeg")
    assert "image/jpeg" in str(caught.value)


def test_text_called_jpeg_is_told_from_a_picture() -> None:
    with pytest.raises(MediaError, match=r"no picture.*called image/jpeg.*b'hello wo'") as caught:
        read_header(b"hello world", "image/jpeg")
    assert "JPEG, PNG, WebP or BMP" in caught.value.cure


def test_a_png_header_with_huge_dimensions_is_refused() -> None:
    data = bytearray(encoded(scene(8, 8), "PNG"))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    with pytest.raises(MediaError, match="100000x100000 pixels are over the limit of 64 Mpx"):
        read_header(bytes(data))


def test_huge_dimensions_are_refused_in_every_format() -> None:
    jpeg = bytearray(encoded(scene(8, 8), "JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = b"\xff\xff\xff\xff"
    bmp = bytearray(encoded(scene(8, 8), "BMP"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6
    for data in (jpeg, bmp, webp):
        with pytest.raises(MediaError, match="over the limit"):
            read_header(bytes(data))


def test_the_limit_itself_is_allowed() -> None:
    data = bytearray(encoded(scene(8, 8), "PNG"))
    data[16:24] = struct.pack(">II", MAX_PIXELS // 1024, 1024)
    assert read_header(bytes(data)).height == 1024


def test_fill_bytes_and_stray_bytes_before_the_frame_header_are_passed_over() -> None:
    data = encoded(scene(8, 8), "JPEG")
    assert read_header(data[:20] + b"\x00\x01\xff\xff\xff\xff\x00" + data[20:]).width == 8


def test_walking_segments_for_ever_is_refused() -> None:
    with pytest.raises(MediaError, match="header is damaged"):
        read_header(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 5000)


def test_an_empty_picture_is_refused() -> None:
    data = bytearray(encoded(scene(8, 8), "PNG"))
    data[16:20] = b"\0\0\0\0"
    with pytest.raises(MediaError, match="empty"):
        read_header(bytes(data))


@given(st.sampled_from(SAMPLES), st.integers(0, 700), st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_damaged_headers_give_a_size_or_a_media_error(sample: bytes, length: int, at: int, noise: bytes) -> None:
    damaged = (sample[:at] + noise + sample[at + len(noise) :])[:length]
    try:
        header = read_header(damaged)
    except MediaError as error:
        assert error.cure  # noqa: PT017  -- either outcome is right
    else:
        assert 0 < header.width * header.height <= MAX_PIXELS
