"""Pictures are upright, whatever EXIF or the display matrix of a video says."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.media.making import distance, encoded, scene, shrunk, write_video
from weft.media.images import open_picture
from weft.media.orientation import UPRIGHT, exif_turn
from weft.media.sources.video import VideoSource


def with_orientation(orientation: int, width: int = 90, height: int = 60) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(scene(width, height), "JPEG", quality=95, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone_as_pillow_does(orientation: int) -> None:
    data = with_orientation(orientation)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    picture = open_picture(data)
    assert (picture.width, picture.height) == upright.size
    assert distance(picture.pixels(*upright.size), np.asarray(upright)) == 0
    half = (upright.size[0] // 2, upright.size[1] // 2)
    assert distance(picture.pixels(*half), shrunk(np.asarray(upright), *half)) < 1.5
    planes = np.stack(picture.planes(*half), axis=-1)
    assert np.array_equal(planes, picture.pixels(*half))


def test_other_numbers_are_no_orientation() -> None:
    for orientation in (0, 9):
        picture = open_picture(with_orientation(orientation))
        assert (picture.width, picture.height) == (90, 60)


def test_little_and_big_endian_exif_are_read() -> None:
    for order, mark in (("<", b"II"), (">", b"MM")):
        tiff = mark + struct.pack(order + "HIHHHIHH", 42, 8, 1, 0x0112, 3, 1, 6, 0)
        assert exif_turn(tiff).quarters == 3


@given(st.binary(max_size=200))
def test_no_bytes_make_the_exif_reader_fail(noise: bytes) -> None:
    assert 0 <= exif_turn(noise).quarters < 4
    assert 0 <= exif_turn(b"MM\x00*\x00\x00\x00\x08" + noise).quarters < 4


def test_a_rotated_video_is_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "portrait.mp4", count=2, size=(64, 48))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    assert data[at : at + 4] == b"\0\1\0\0"
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    picture = next(VideoSource(path).frames()).picture
    assert picture is not None
    assert (picture.width, picture.height) == (48, 64)
    assert picture.pixels(48, 64).shape == (64, 48, 3)


def test_the_video_is_turned_the_way_players_turn_it(tmp_path: Path) -> None:
    import av

    from weft.media.orientation import video_turn

    pixels = scene(64, 48)
    assert np.array_equal(video_turn(-90).apply(pixels), np.rot90(pixels, 3))
    assert np.array_equal(video_turn(90).apply(pixels), np.rot90(pixels, 1))
    assert video_turn(180).apply(pixels)[0, 0].tolist() == pixels[-1, -1].tolist()
    assert video_turn(45) == UPRIGHT
    assert av.VideoFrame.from_ndarray(pixels).rotation == 0
