"""A look at sources and sinks before anything runs: what could not work is told, and nothing is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weft.core.errors import MediaError, NotFoundError, OutputError
from weft.media.places import look_at_sink, look_at_source

NOBODY = 65534


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """Run as somebody who may look at ``folder`` but not write there."""
    root = os.geteuid() == 0
    folder.chmod(0o555)
    for above in folder.parents if root else ():
        if not above.stat().st_mode & 0o001:
            above.chmod(0o755)
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_good_places_pass_and_nothing_is_made_or_changed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a\n")
    (tmp_path / "old.jsonl").write_text("of an earlier run\n")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    look_at_source("video", data / "video" / "hot-dog.mp4")
    look_at_source("pictures", data / "images" / "mnist")
    look_at_source("pictures", data / "images" / "*.jpg")
    look_at_source("pictures", data / "images" / "cat.jpg")
    look_at_source("lines", tmp_path / "lines.txt")
    for kind in ("lines", "video", "camera", "pattern"):
        look_at_source(kind, tmp_path / "pipe")
    for kind, name in (
        ("jsonl", "new.jsonl"), ("jsonl", "old.jsonl"), ("jsonl", "pipe"), ("video", "new.mp4"),
        ("directory", "."), ("directory", "new/and/deeper"), ("console", "anything/at/all"),
    ):  # fmt: skip
        look_at_sink(kind, tmp_path / name)
    look_at_sink("jsonl", Path("/dev/null"))
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "old.jsonl").read_text() == "of an earlier run\n"


SOUND = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"


@pytest.mark.parametrize(
    ("kind", "content", "error", "said"),
    [
        ("video", b"", MediaError, "no video FFmpeg can read"),
        ("video", b"no video", MediaError, "no video FFmpeg can read"),
        ("video", SOUND, MediaError, "no video"),
        ("pictures", b"no picture", MediaError, "no picture Weft reads"),
        ("pictures", b"", MediaError, "0 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_told(
    tmp_path: Path, kind: str, content: bytes, error: type[Exception], said: str
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(error, match=said) as raised:
        look_at_source(kind, tmp_path / "file")
    assert raised.value.cure


def test_folders_without_what_they_should_hold_are_told(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no picture")
    with pytest.raises(NotFoundError, match="there are no pictures"):
        look_at_source("pictures", tmp_path)
    with pytest.raises(NotFoundError, match="there are no pictures"):
        look_at_source("pictures", tmp_path / "*.png")
    with pytest.raises(NotFoundError, match="Is a directory"):
        look_at_source("lines", tmp_path)
    with pytest.raises(MediaError):
        look_at_source("video", tmp_path)


def test_a_folder_of_pictures_may_hold_bad_ones(data: Path, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"no picture")
    (tmp_path / "2.jpg").write_bytes((data / "images" / "cat.jpg").read_bytes())
    look_at_source("pictures", tmp_path)


@pytest.mark.parametrize(
    ("kind", "name", "said", "cure"),
    [
        ("jsonl", "missing/out.jsonl", "No such file or directory", "make its directory first"),
        ("video", "missing/out.mp4", "No such file or directory", "make its directory first"),
        ("jsonl", "file/out.jsonl", "Not a directory", "a part of it is a file"),
        ("jsonl", ".", "Is a directory", "name a file"),
        ("directory", "file", "Not a directory", "a part of it is a file"),
        ("directory", "file/deeper/still", "Not a directory", "a part of it is a file"),
        ("directory", "broken/link", "Not a directory", "a part of it is a file"),
    ],
)
def test_a_place_nobody_can_write_to_is_told(tmp_path: Path, kind: str, name: str, said: str, cure: str) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "broken").symlink_to("nowhere")
    with pytest.raises(OutputError, match=said) as raised:
        look_at_sink(kind, tmp_path / name)
    assert cure in raised.value.cure
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "file"]


@pytest.mark.parametrize(
    ("kind", "name"), [("jsonl", "new"), ("jsonl", "old"), ("video", "new.mp4"), ("directory", "a/b")]
)
def test_a_place_this_user_may_not_write_to_is_told(tmp_path: Path, kind: str, name: str) -> None:
    (tmp_path / "old").write_text("of somebody else")
    (tmp_path / "old").chmod(0o444)
    with without_rights(tmp_path), pytest.raises(OutputError, match="Permission denied") as raised:
        look_at_sink(kind, tmp_path / name)
    assert "this user may write" in raised.value.cure
