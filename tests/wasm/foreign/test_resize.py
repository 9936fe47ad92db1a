"""The pixels that WasmEdge's guests get."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.wasm.harness import Probe
from weft.wasm.host.wasmedge_image import BGR8, BGR32F, RGB8, RGB32F
from weft.wasm.host.wasmedge_resize import resize_aligned

RANDOM = np.random.default_rng(7)


def one_by_one(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """The same resize, pixel for pixel, as it is defined."""
    out = np.zeros((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            down = y * (pixels.shape[0] - 1) / max(height - 1, 1)
            across = x * (pixels.shape[1] - 1) / max(width - 1, 1)
            top, left = math.floor(down), math.floor(across)
            bottom, right = min(top + 1, pixels.shape[0] - 1), min(left + 1, pixels.shape[1] - 1)
            down, across = down - top, across - left
            total = np.zeros(3, np.float32)
            for row, column, weight in (
                (top, left, (1 - down) * (1 - across)),
                (top, right, (1 - down) * across),
                (bottom, left, down * (1 - across)),
                (bottom, right, down * across),
            ):
                total += pixels[row, column].astype(np.float32) * np.float32(weight)
            out[y, x] = total.astype(np.uint8)
    return out


@pytest.mark.parametrize("source", [(7, 5), (2, 3), (1, 9), (40, 31)])
@pytest.mark.parametrize("target", [(3, 4), (1, 1), (11, 2), (17, 23)])
def test_it_is_the_definition_to_the_bit(source: tuple[int, int], target: tuple[int, int]) -> None:
    pixels = RANDOM.integers(0, 256, (*source, 3), np.uint8)
    assert (resize_aligned(pixels, *target) == one_by_one(pixels, *target)).all()


@given(width=st.integers(2, 40), height=st.integers(2, 40))
def test_corners_stay_and_nothing_leaves_the_range_of_the_picture(width: int, height: int) -> None:
    pixels = RANDOM.integers(50, 200, (9, 14, 3), np.uint8)
    out = resize_aligned(pixels, width, height)
    assert out.shape == (height, width, 3)
    assert (out[[0, 0, -1, -1], [0, -1, 0, -1]] == pixels[[0, 0, -1, -1], [0, -1, 0, -1]]).all()
    assert out.min() >= pixels.min() - 1  # cut, not rounded
    assert out.max() <= pixels.max()


def test_the_same_size_is_the_same_picture() -> None:
    pixels = RANDOM.integers(0, 256, (12, 8, 3), np.uint8)
    assert (resize_aligned(pixels, 8, 12) == pixels).all()


# --- the host functions -------------------------------------------------------------------


def picture(mode: str = "RGB", kind: str = "PNG") -> tuple[bytes, np.ndarray]:
    """A small picture's file, and its pixels as RGB."""
    shape = (6, 9) if mode == "L" else (6, 9, 3)
    image = Image.fromarray(RANDOM.integers(0, 256, shape, np.uint8), mode)
    file = io.BytesIO()
    image.save(file, kind, quality=95)
    return file.getvalue(), np.asarray(Image.open(file).convert("RGB"))


FIRST = {
    "wasmedge_image_load_png_to_rgb8": RGB8,
    "wasmedge_image_load_png_to_bgr8": BGR8,
    "wasmedge_image_load_png_to_rgb32f": RGB32F,
    "wasmedge_image_load_png_to_bgr32f": BGR32F,
}


def expected(pixels: np.ndarray, kind: int, width: int, height: int) -> bytes:
    turned = pixels[:, :, ::-1] if kind in {BGR8, BGR32F} else pixels
    resized = one_by_one(turned, width, height)
    return ((resized / 255.0).astype(np.float32) if kind in {RGB32F, BGR32F} else resized).tobytes()


@pytest.fixture
def image(probe) -> Probe:
    return probe("wasmedge_image")


@pytest.mark.parametrize("function", FIRST)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_first_generation_gives_each_kind_of_pixels(image: Probe, function: str, mode: str) -> None:
    file, pixels = picture(mode)
    wanted = expected(pixels, FIRST[function], 4, 5)
    out = image.put(bytes(len(wanted) + 1))
    assert image.call(function, image.put(file), len(file), 4, 5, out) == 0
    assert image.read(out, len(wanted) + 1) == wanted + b"\0"


@pytest.mark.parametrize("kind", [RGB8, BGR8, RGB32F, BGR32F])
@pytest.mark.parametrize("function", ["load_png", "load_image"])
def test_the_second_generation_gives_each_kind_of_pixels(image: Probe, function: str, kind: int) -> None:
    file, pixels = picture()
    wanted = expected(pixels, kind, 5, 3)
    out = image.put(bytes(len(wanted)))
    assert image.call(function, image.put(file), len(file), 5, 3, kind, out, len(wanted)) == 0
    assert image.read(out, len(wanted)) == wanted


def test_a_jpeg_is_read_whole_before_it_is_resized(image: Probe) -> None:
    file, pixels = picture(kind="JPEG")
    out, at = image.put(bytes(12)), image.put(file)
    assert image.call("load_jpg", at, len(file), 2, 2, RGB8, out, 12) == 0
    got = np.frombuffer(image.read(out, 12), np.uint8).reshape(2, 2, 3).astype(int)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].reshape(2, 2, 3).astype(int)
    assert abs(got - corners).max() <= 4  # two decoders
    assert image.call("wasmedge_image_load_jpg_to_rgb8", at, len(file), 2, 2, out) == 0
    assert (np.frombuffer(image.read(out, 12), np.uint8).reshape(2, 2, 3) == got).all()


def test_what_cannot_be_done_is_1_with_its_reason(image: Probe) -> None:
    file, _ = picture()
    at, out = image.put(file), image.put(bytes(64))
    assert image.call("load_png", at, len(file), 2, 2, 4, out, 64) == 1
    assert image.call("load_png", at, len(file), 2, 2, RGB32F, out, 47) == 1
    assert image.call("load_png", at, len(file), 0, 2, RGB8, out, 64) == 1
    assert image.call("load_png", at, len(file), 2, 2, RGB8, -16, 64) == 1
    assert image.call("load_png", at, 20, 2, 2, RGB8, out, 64) == 1
    assert image.read(out, 64) == bytes(64)
    assert [note.partition(": ")[2][:14] for note in image.instance.notes] == [
        "no pixel type ",
        "a buffer of 47",
        "a picture of 0",
        "12 bytes at 0x",
        "the image/png ",
    ]
