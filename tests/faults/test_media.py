"""Pictures and videos that are damaged, tiny, huge or not what they say."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import weft
from tests.faults.conftest import Ran
from weft.core.errors import GuestError, MediaError
from weft.core.frame import Frame

Run = Callable[..., Ran]


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A grey PNG that says it has this size; its pixels are whatever ``rows`` compresses to."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def classify(data: Path, **options: Any) -> dict[str, Any]:
    models = {"net": str(data / "models" / "squeezenet1.1.onnx")}
    return {"wasm": "weft:classify", "models": models, "on_error": {"stream": "errors"}, **options}


@pytest.fixture
def album(data: Path, tmp_path: Path) -> Path:
    """Good pictures with bad ones between them, by number."""
    cat = (data / "images" / "cat.jpg").read_bytes()
    pictures = [
        cat,
        b"",
        cat[: len(cat) // 4],
        cat[:20],
        b"not a picture at all",
        png(16_000, 16_000),
        png(8000, 8000),
        png(0, 5),
        png(64, 64, b"\0"),
        (data / "models" / "mnist.onnx").read_bytes()[:4096],
        png(1, 1, b"\0\x80"),
        cat,
    ]
    folder = tmp_path / "album"
    folder.mkdir()
    for number, content in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(content)
    return folder


GOOD = {0, 10, 11}
PERHAPS = {2}
"""A JPEG that is cut in its pixels: libjpeg makes the rest grey."""


@pytest.mark.parametrize(("replicas", "policy"), [(1, "reuse"), (2, "fresh")])
def test_bad_pictures_between_good_ones_fail_alone(
    pipeline: Run, album: Path, data: Path, replicas: int, policy: str
) -> None:
    ran = pipeline({"type": "pictures", "path": str(album)}, classify(data, replicas=replicas, instance=policy))
    assert ran.summary.error is None
    named = {record["sequence"] for record in ran.records if record["stream"] == "f"}
    failed = {failure["sequence"] for failure in ran.failures}
    assert named - PERHAPS == GOOD
    assert named | failed == set(range(12))
    assert ran.summary.stage("f").failed == len(failed)
    assert all(failure["what"] for failure in ran.failures)
    first, last = (record["payload"]["labels"][0] for record in (ran.records[0], ran.records[-1]))
    assert first == last


@pytest.mark.parametrize(
    ("content", "said"),
    [(png(16_000, 16_000), "64 Mpx"), (png(0, 5), "empty"), (b"", "0 bytes"), (b"GIF89a", "no picture Weft reads")],
)
def test_a_picture_without_sense_costs_no_memory(content: bytes, said: str) -> None:
    from weft.media.images import open_picture

    with pytest.raises(MediaError, match=said) as raised:
        open_picture(content).pixels(8, 8)
    assert raised.value.cure


def test_a_picture_whose_pixels_are_a_lie_does_not_decode(data: Path) -> None:
    with weft.load("weft:classify", models={"net": data / "models" / "squeezenet1.1.onnx"}) as function:
        for _ in range(3):
            with pytest.raises(GuestError):
                function(Frame(png(8000, 8000, b"\0" * 100), media_type="image/png"))
        assert function(Frame((data / "images" / "cat.jpg").read_bytes()))


def test_a_video_that_is_cut_gives_its_frames_and_then_the_error(pipeline: Run, data: Path, tmp_path: Path) -> None:
    whole = (data / "video" / "hot-dog.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 16])
    function = {"wasm": str(tmp_path / "size.wat")}
    (tmp_path / "size.wat").write_text("""
    (module
      (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "weft_handle") (result i32)
        (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4))))
    """)
    ran = pipeline({"type": "video", "path": "cut.mp4"}, function)
    error = ran.summary.error
    assert isinstance(error, MediaError)
    assert "cut.mp4" in error.where
    assert error.cure
    read = ran.summary.stage("in").frames_out
    assert len(ran.records) == read == ran.summary.stage("f").frames_out


@pytest.mark.parametrize("content", [b"", b"no video", bytes(10_000)])
def test_what_is_no_video_is_told(pipeline: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.mp4").write_bytes(content)
    ran = pipeline({"type": "video", "path": "bad.mp4"}, {"wasm": "weft:detect"})
    assert isinstance(ran.summary.error, (MediaError, GuestError))
