"""Frames."""

from __future__ import annotations

import numpy as np
import pytest

from weft.core.errors import UsageError
from weft.core.frame import Frame
from weft.core.limits import DirGrant, Limits, parse_dir
from weft.core.picture import PixelFormat, Pixels


class CountingPicture:
    """A picture that counts how often it is encoded."""

    width = height = 1

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def pixels(self, width: int, height: int, pixel_format: PixelFormat = PixelFormat.RGB8) -> Pixels:
        return np.zeros((height, width, 3), np.uint8)

    def encode(self, media_type: str) -> bytes:
        self.encoded.append(media_type)
        return b"encoded"


def test_a_picture_is_encoded_when_somebody_reads_it_and_then_once() -> None:
    picture = CountingPicture()
    frame = Frame(media_type="image/jpeg", picture=picture)
    assert picture.encoded == []
    assert frame.payload == frame.payload == b"encoded"
    assert picture.encoded == ["image/jpeg"]


def test_what_follows_from_a_frame_keeps_its_number_time_and_headers() -> None:
    frame = Frame(b"x", stream="cam", sequence=7, time_ns=5, headers={"a": "b"})
    result = frame.derive(b"{}", media_type="application/json", stream="labels")
    assert (result.payload, result.media_type, result.stream) == (b"{}", "application/json", "labels")
    assert (result.sequence, result.time_ns, result.headers) == (7, 5, {"a": "b"})


def test_a_frame_without_anything_is_empty() -> None:
    assert Frame().payload == b""


def test_directories_are_granted_as_other_runtimes_write_them() -> None:
    forms = ["a", "a:/b", "a:/b:ro", "a:ro", ".:."]
    assert [(str(g.host), g.guest, g.writable) for g in map(parse_dir, forms)] == [
        ("a", "a", True),
        ("a", "/b", True),
        ("a", "/b", False),
        ("a", "a", False),
        (".", ".", True),
    ]
    assert isinstance(parse_dir("a"), DirGrant)


@pytest.mark.parametrize(
    "text", ["", ":", ":/data", "data:", "data::ro", "data:/a:b", "data:/a:b:ro", "ro", "ro:ro:ro:ro"]
)
def test_a_directory_grant_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no directory grant"):
        parse_dir(text)


@pytest.mark.parametrize("name", ["memory", "stdout", "output", "emits", "handles", "time", "start"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"limits\.{name} is 0"):
        Limits(**{name: 0})


def test_a_limit_nobody_can_count_to_is_refused() -> None:
    with pytest.raises(UsageError, match=r"limits\.memory"):
        Limits(memory=2**63)
    with pytest.raises(UsageError, match=r"limits\.time is nan"):
        Limits(time=float("nan"))


def test_a_frame_made_of_all_its_parts_is_like_any_other() -> None:
    headers = {"k": "v"}
    made = Frame.made(b"x", "a/b", "s", "cam", 7, -5, headers)
    like = Frame(b"x", media_type="a/b", stream="s", source="cam", sequence=7, time_ns=-5, headers=headers)
    assert [getattr(made, name) for name in Frame.__slots__] == [getattr(like, name) for name in Frame.__slots__]
