"""The ``weft`` host module, function by function, called through wasm."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.wasm.harness import Probe
from weft.core.errors import OutputLimitError
from weft.core.limits import Limits

INVALID, NOT_FOUND, TOO_SMALL, UNSUPPORTED, FAILED = -1, -2, -3, -5, -6
WIDTH, HEIGHT = 48, 32
Make = Callable[..., Probe]


@pytest.fixture
def pixels() -> np.ndarray:
    """A picture with another colour in each corner."""
    x, y = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
    return np.stack([x, y, 255 - x], axis=2).round().astype(np.uint8)


@pytest.fixture
def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def picture(probe: Make, png: bytes) -> Probe:
    """A probe whose frame is the picture."""
    made = probe("weft")
    made.frame(png, media_type="image/png")
    return made


def array(probe: Probe, ptr: int, dtype: str, *shape: int) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(probe.read(ptr, size), dtype).reshape(shape)


# --- the frame -----------------------------------------------------------------------------


def test_the_payload_is_read_in_pieces(probe: Make) -> None:
    host = probe("weft")
    host.frame(b"0123456789")
    assert host.frame_size() == 10
    at = host.put(b"." * 12)
    assert host.frame_read(at, 4, 0) == 4
    assert host.read(at, 12) == b"0123........"
    assert host.frame_read(at, 100, 7) == 3
    assert host.read(at, 12) == b"7893........"
    assert host.frame_read(at, 100, 10) == 0
    assert host.frame_read(at, 0, 0) == 0
    assert host.frame_read(at, 0xFFFFFFFF, 0xFFFFFFFF) == 0


def test_an_empty_payload(probe: Make) -> None:
    host = probe("weft")
    host.frame(b"")
    assert host.frame_size() == 0
    assert host.frame_read(host.put(b"x"), 10, 0) == 0


def test_texts_are_copied_only_if_they_fit(probe: Make) -> None:
    host = probe("weft", config={"key": "välue"})
    host.frame(b"", stream="cam/ü", media_type="text/plain", headers={"a": "b", "empty": ""})
    for call, text in (
        (host.frame_stream, "cam/ü"),
        (host.frame_media_type, "text/plain"),
        (lambda at, cap: host.frame_header(*host.text("a"), at, cap), "b"),
        (lambda at, cap: host.frame_header(*host.text("empty"), at, cap), ""),
        (lambda at, cap: host.config_get(*host.text("key"), at, cap), "välue"),
    ):
        data = text.encode()
        at = host.put(b"\xee" * 16)
        if data:
            assert call(at, len(data) - 1) == len(data)
            assert host.read(at, 16) == b"\xee" * 16
        assert call(at, len(data)) == len(data)
        assert host.read(at, 16) == data + b"\xee" * (16 - len(data))


def test_what_is_not_there_is_not_found(probe: Make) -> None:
    host = probe("weft", config={"labels": "x"})
    host.frame(b"", headers={"a": "b"})
    assert host.frame_header(*host.text("c"), 0, 0) == NOT_FOUND
    assert host.config_get(*host.text("zzz"), 0, 0) == NOT_FOUND
    assert host.instance.notes == []
    assert host.config_get(*host.text("label"), 0, 0) == NOT_FOUND
    assert host.instance.notes == ["weft.config_get: no config 'label'; did you mean 'labels'?"]


def test_sequence_and_time_are_64_bits_wide(probe: Make) -> None:
    host = probe("weft")
    host.frame(b"", sequence=2**40 + 3, time_ns=1_700_000_000_123_456_789)
    assert host.frame_sequence() == 2**40 + 3
    assert host.frame_time() == 1_700_000_000_123_456_789


def test_names_that_are_too_long_or_no_text_are_invalid(probe: Make) -> None:
    host = probe("weft")
    assert host.frame_header(0, 64 * 1024 + 1, 0, 0) == INVALID
    assert host.frame_header(host.put(b"\xff\xfe"), 2, 0, 0) == INVALID


# --- the picture ---------------------------------------------------------------------------


def test_the_size_of_the_picture(picture: Probe) -> None:
    at = picture.put(bytes(8))
    assert picture.image_size(at) == 0
    assert struct.unpack("<2I", picture.read(at, 8)) == (WIDTH, HEIGHT)


def test_pixels_in_every_format(picture: Probe, pixels: np.ndarray) -> None:
    grey = np.asarray(Image.fromarray(pixels).convert("L"), float)
    expected = {0: pixels, 1: pixels[:, :, ::-1], 2: grey, 3: pixels / 255}
    for number, wanted in expected.items():
        dtype = "f4" if number == 3 else "u1"
        at = picture.put(bytes(wanted.size * np.dtype(dtype).itemsize))
        assert picture.image_read(WIDTH, HEIGHT, number, at, wanted.size * np.dtype(dtype).itemsize) == 0
        assert np.allclose(array(picture, at, dtype, *wanted.shape), wanted, atol=1 if dtype == "u1" else 1e-6)


def test_pixels_are_resized_to_what_is_asked(picture: Probe) -> None:
    at = picture.put(bytes(16 * 8 * 3))
    assert picture.image_read(16, 8, 0, at, 16 * 8 * 3) == 0
    small = array(picture, at, "u1", 8, 16, 3).astype(int)
    assert small[0, 0, 0] < 20 < 235 < small[0, -1, 0]
    assert small[0, 0, 1] < 25 < 230 < small[-1, 0, 1]


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize(("dtype", "kind", "tolerance"), [(0, "f2", 1e-2), (1, "f4", 1e-5), (3, "u1", 0)])
def test_tensors_in_every_layout_and_dtype(
    picture: Probe, pixels: np.ndarray, layout: int, dtype: int, kind: str, tolerance: float
) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    wanted = pixels.astype(float) if kind == "u1" else (pixels / 255 - mean) / std
    wanted = wanted if layout == 0 else wanted.transpose(2, 0, 1)
    size = wanted.size * np.dtype(kind).itemsize
    means = (0, 0) if kind == "u1" else (picture.put(struct.pack("<3f", *mean)), picture.put(struct.pack("<3f", *std)))
    at = picture.put(bytes(size + 4)) + 1  # pointers of guests need not be aligned
    assert picture.image_tensor(WIDTH, HEIGHT, layout, dtype, *means, at, size) == 0
    assert np.allclose(array(picture, at, kind, *wanted.shape), wanted, atol=tolerance)


def test_a_tensor_without_mean_and_deviation_is_0_to_1(picture: Probe, pixels: np.ndarray) -> None:
    at = picture.put(bytes(pixels.size * 4))
    assert picture.image_tensor(WIDTH, HEIGHT, 0, 1, 0, 0, at, pixels.size * 4) == 0
    assert np.allclose(array(picture, at, "f4", *pixels.shape), pixels / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((0, 8, 0, 1024, 192), INVALID),
        ((8, 0, 0, 1024, 192), INVALID),
        ((-1, 8, 0, 1024, 192), INVALID),
        ((8, 16385, 0, 1024, 192), INVALID),
        ((8, 8, 4, 1024, 192), INVALID),
        ((8, 8, -1, 1024, 192), INVALID),
        ((8, 8, 0, 1024, 191), TOO_SMALL),
        ((8, 8, 0, 1024, 193), INVALID),
        ((8, 8, 0, 0xFFFFFFF0, 192), INVALID),
        ((16384, 16384, 3, 0, 0x7FFFFFFF), TOO_SMALL),
        ((16384, 16384, 0, 0, 16384 * 16384 * 3), INVALID),
    ],
)
def test_sizes_formats_and_buffers_that_cannot_be(picture: Probe, args: tuple[int, ...], code: int) -> None:
    assert picture.image_read(*args) == code


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((8, 8, 2, 1, 0, 0, 1024, 768), INVALID),
        ((8, 8, 0, 9, 0, 0, 1024, 768), INVALID),
        ((8, 8, 0, 4, 0, 0, 1024, 768), INVALID),
        ((8, 8, 0, 1, 0xFFFFFFF8, 0, 1024, 768), INVALID),
        ((8, 8, 0, 1, 0, 0xFFFFFFF8, 1024, 768), INVALID),
        ((8, 8, 0, 1, 0, 0, 1024, 767), TOO_SMALL),
        ((0, 0, 0, 1, 0, 0, 1024, 0), INVALID),
    ],
)
def test_tensors_that_cannot_be(picture: Probe, args: tuple[int, ...], code: int) -> None:
    assert picture.image_tensor(*args) == code


@pytest.mark.parametrize("std", [(0.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (1.0, float("inf"), 1.0)])
def test_a_deviation_nobody_can_divide_by_is_invalid(picture: Probe, std: tuple[float, ...]) -> None:
    at = picture.put(struct.pack("<3f", *std))
    assert picture.image_tensor(8, 8, 0, 1, 0, at, picture.put(bytes(768)), 768) == INVALID


def test_mean_does_not_go_with_raw_bytes(picture: Probe) -> None:
    at = picture.put(struct.pack("<3f", 1, 1, 1))
    assert picture.image_tensor(8, 8, 0, 3, at, 0, picture.put(bytes(192)), 192) == INVALID


@pytest.mark.parametrize("payload", [b"", b"no picture at all", b"\xff\xd8\xff\xe0" + bytes(100)])
def test_a_frame_that_is_no_picture_fails_every_time(probe: Make, payload: bytes) -> None:
    host = probe("weft")
    host.frame(payload, media_type="image/jpeg")
    for _ in range(2):
        assert host.image_size(1024) == FAILED
        assert host.image_read(8, 8, 0, 1024, 192) == FAILED
        assert host.image_tensor(8, 8, 0, 1, 0, 0, 1024, 768) == FAILED
    assert host.instance.notes


def test_a_truncated_picture_fails(probe: Make, png: bytes) -> None:
    host = probe("weft")
    host.frame(png[: len(png) // 2], media_type="image/png")
    assert host.image_read(8, 8, 0, 1024, 192) == FAILED


# --- what the function says ----------------------------------------------------------------


def test_what_is_emitted_follows_from_the_frame(probe: Make) -> None:
    host = probe("weft")
    host.frame(b"", sequence=3, time_ns=9, headers={"k": "v"})
    assert host.emit(*host.text("out/ä"), *host.text("text/plain"), *host.text("payload")) == 0
    assert host.emit(0, 0, 0, 0, 0, 0) == 0
    first, second = host.instance.emitted.frames
    assert (first.stream, first.media_type, first.payload) == ("out/ä", "text/plain", b"payload")
    assert (first.sequence, first.time_ns, first.headers) == (3, 9, {"k": "v"})
    assert (second.stream, second.media_type, second.payload) == ("", "application/octet-stream", b"")
    host.frame(b"")
    assert host.instance.emitted.frames == []


def test_streams_that_are_none_of_the_functions_are_not_found(probe: Make) -> None:
    host = probe("weft", outputs=("boxes", "labels"))
    assert host.emit(*host.text("boxes"), 0, 0, 0, 0) == 0
    assert host.emit(*host.text("label"), 0, 0, 0, 0) == NOT_FOUND
    assert host.instance.cure == "did you mean 'labels'?"
    assert len(host.instance.emitted.frames) == 1


@pytest.mark.parametrize("text", ["a\nb", "a\0b", "\x1b[2J"])
def test_names_that_would_break_a_header_or_a_terminal_are_invalid(probe: Make, text: str) -> None:
    host = probe("weft")
    assert host.emit(*host.text(text), 0, 0, 0, 0) == INVALID
    assert host.emit(0, 0, *host.text(text), 0, 0) == INVALID
    assert host.instance.emitted.frames == []


def test_emitting_over_the_limit_ends_the_guest(probe: Make) -> None:
    host = probe("weft", limits=Limits(output=100))
    at = host.put(bytes(60))
    assert host.emit(0, 0, 0, 0, at, 60) == 0
    with pytest.raises(OutputLimitError, match="emitted more than 100 B"):
        host.emit(0, 0, 0, 0, at, 60)


def test_a_payload_is_a_copy_of_guest_memory(probe: Make) -> None:
    host = probe("weft")
    at = host.put(b"before")
    host.emit(0, 0, 0, 0, at, 6)
    host.instance.memory.write(at, b"after!")
    assert host.instance.emitted.frames[0].payload == b"before"


def test_log_lines_have_levels_and_no_control_characters(probe: Make, caplog: pytest.LogCaptureFixture) -> None:
    host = probe("weft")
    host.frame(b"")
    with caplog.at_level(1, "weft.guest.probe"):
        for level in (-5, 0, 1, 2, 3, 4, 99):
            host.log(level, *host.text(f"level {level}"))
        host.log(2, *host.text("a\n\x1b[31mred\tü"))
        host.log(2, *host.text("x" * 10_000))
    levels = [record.levelno for record in caplog.records]
    assert levels == [5, 5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.ERROR, 20, 20]
    assert caplog.messages[-2] == r"a\n\x1b[31mred	ü"
    assert len(caplog.messages[-1]) == 4096


def test_warnings_become_the_reason_of_a_failure(probe: Make) -> None:
    host = probe("weft")
    host.frame(b"")
    for number in range(12):
        host.log(4, *host.text(f"reason {number} " + "x" * 5000))
    assert len(host.instance.notes) == 8
    assert host.instance.notes_dropped == 4
    assert len(host.instance.notes[0]) == 1024
    host.frame(b"")
    assert host.instance.notes == []
    assert host.instance.notes_dropped == 0
