"""The parts between a decoder and its owner: desk, slot, messages, the picture handed over."""

from __future__ import annotations

import json
import mmap
import os
import threading
from collections.abc import Iterator

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.making import distance, scene
from weft.core.errors import MediaError, NotFoundError, UnavailableError
from weft.media.cameras.desk import CAPACITY, Desk
from weft.media.cameras.handover import taken
from weft.media.cameras.messages import Ended, Job, Lost, Shown, packed, unpacked
from weft.media.cameras.slot import MAX_BYTES, Slot
from weft.media.images import picture_from_video

# --- desk ------------------------------------------------------------------------------


def test_nothing_is_handed_over_that_was_not_wanted() -> None:
    given: list[tuple[int, int]] = []
    desk: Desk[int] = Desk(lambda thing, dropped: given.append((thing, dropped)))
    desk.put(0)
    assert given == []
    desk.want()
    desk.want()
    desk.want()
    desk.put(1)
    desk.put(2)
    assert given == [(0, 0), (1, 0)]


@given(st.lists(st.booleans(), max_size=60))
def test_the_newest_win_and_every_thing_is_given_or_dropped(wants: list[bool]) -> None:
    given: list[int] = []
    desk: Desk[int] = Desk(lambda thing, _: given.append(thing))
    put = 0
    for want in wants:
        if want:
            desk.want()
        else:
            desk.put(put)
            put += 1
    before = len(given)
    for _ in range(CAPACITY):
        desk.want()
    assert given == sorted(set(given))
    assert len(given) + desk.dropped == put
    assert given[before:] == list(range(put))[len(range(put)) - (len(given) - before) :]


@pytest.mark.parametrize("end", ["want", "close"])
def test_who_drains_waits_for_the_last_to_be_taken(end: str) -> None:
    desk: Desk[int] = Desk(lambda *_: None)
    desk.put(1)
    drained = threading.Event()
    thread = threading.Thread(target=lambda: (desk.drain(), drained.set()))
    thread.start()
    assert not drained.is_set()
    getattr(desk, end)()
    assert drained.wait(10)
    thread.join()


# --- slot ------------------------------------------------------------------------------


@pytest.fixture
def slots() -> Iterator[tuple[Slot, Slot]]:
    """One slot as its maker and as another process has it."""
    mine = Slot()
    theirs = Slot(os.dup(mine.descriptor))
    yield mine, theirs
    mine.close()
    theirs.close()


def read(slot: Slot, size: int) -> bytes:
    with slot.read(size) as lying:
        return bytes(lying)


def test_a_slot_grows_with_what_is_laid_into_it(slots: tuple[Slot, Slot]) -> None:
    mine, theirs = slots
    for parts in ([b"abc", b"de"], [b"x" * 100_000], [b"small"]):
        theirs.write([memoryview(part) for part in parts])
        whole = b"".join(parts)
        assert read(mine, len(whole)) == whole


def test_a_slot_cannot_be_made_smaller_under_its_reader(slots: tuple[Slot, Slot]) -> None:
    mine, theirs = slots
    theirs.write([memoryview(bytes(8192))])
    with pytest.raises(PermissionError):
        os.ftruncate(theirs.descriptor, 0)
    assert read(mine, 8192) == bytes(8192)


@pytest.mark.parametrize("size", [0, -1, 6, MAX_BYTES + 1])
def test_what_is_not_there_is_not_read(slots: tuple[Slot, Slot], size: int) -> None:
    mine, theirs = slots
    theirs.write([memoryview(b"hello")])
    with pytest.raises(ValueError, match="in less memory"):
        mine.read(size)


def test_a_picture_beyond_reason_is_not_written(slots: tuple[Slot, Slot]) -> None:
    huge = memoryview(mmap.mmap(-1, MAX_BYTES + 1))
    with pytest.raises(ValueError, match="a picture of"):
        slots[1].write([huge])
    huge.release()


# --- messages --------------------------------------------------------------------------

SHOWN = Shown(4, 2, "rgb24", ((16, 2),), (1, 2, 3, 4), 90, 5, 6, 7)


@pytest.mark.parametrize(
    "message", [Job("file", "a", "b", {"x": "y"}, True), SHOWN, Lost("MediaError", "w", "c"), Ended()]
)
def test_a_message_arrives_as_it_was_sent(message: Job | Shown | Lost | Ended) -> None:
    assert unpacked(packed(message)) == message


@pytest.mark.parametrize("kind", [MediaError, NotFoundError, UnavailableError])
def test_an_error_arrives_as_the_error_it_was(kind: type[MediaError]) -> None:
    lost = unpacked(packed(Lost.of(kind("it broke", cure="mend it"))))
    assert isinstance(lost, Lost)
    raised = lost.raised("cam")
    assert (type(raised), raised.what, raised.where, raised.cure) == (kind, "it broke", "cam", "mend it")


def test_what_a_decoder_says_neither_steers_a_terminal_nor_tells_passwords() -> None:
    lost = unpacked(packed(Lost("Nonsense", "\x1b[2J rtsp://me:secret@host/x?token=hush " + "y" * 5000, "\x07")))
    assert isinstance(lost, Lost)
    assert lost.raised("cam").what.startswith(r"\x1b[2J rtsp://…@host/x?…")
    assert len(lost.what) < 1100
    assert isinstance(lost.raised("cam"), UnavailableError)


WRONG = [b"", b"null", b"[]", b'{"is": "what"}', b'{"is": []}', b"\xff", b"[" * 60_000, b'{"is": "lost", "what": 1}']


@pytest.mark.parametrize("data", WRONG)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own words or ours: both are this class and no other
        unpacked(data)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.lists(st.integers()))


@given(st.sampled_from(sorted(json.loads(packed(SHOWN)))), VALUES)
def test_a_picture_with_one_wrong_field_is_refused_or_the_same_kind(field: str, value: object) -> None:
    data = json.dumps({**json.loads(packed(SHOWN)), field: value}).encode()
    try:
        message = unpacked(data)
    except ValueError:
        return
    assert isinstance(message, Shown)
    assert all(type(getattr(message, name)) is type(getattr(SHOWN, name)) for name in Shown.__slots__)


# --- the picture handed over -----------------------------------------------------------


def laid(slot: Slot, frame: av.VideoFrame, padding: int = 0) -> Shown:
    """A frame as the decoder lays it, its rows perhaps longer than they need be."""
    parts, planes = [], []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        wide = np.pad(rows, ((0, 0), (0, padding)), constant_values=255)
        parts.append(memoryview(wide.tobytes()))
        planes.append((wide.shape[1], plane.height))
    slot.write(parts)
    colours = (5, 1, 1, 1)
    return Shown(frame.width, frame.height, frame.format.name, tuple(planes), colours, 0, 1, 0, 0)


@pytest.mark.parametrize("padding", [0, 48])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj422p", "nv12", "yuyv422", "gray", "rgb24", "yuv420p10le"])
def test_every_format_arrives_as_it_was(slots: tuple[Slot, Slot], pixel_format: str, padding: int) -> None:
    original = av.VideoFrame.from_ndarray(scene(70, 50), format="rgb24").reformat(format=pixel_format)
    original.colorspace, original.color_range, original.color_primaries, original.color_trc = 5, 1, 1, 1
    picture = taken(slots[0], laid(slots[1], original, padding))
    assert (picture.width, picture.height) == (70, 50)
    assert distance(picture.pixels(70, 50), picture_from_video(original).pixels(70, 50)) == 0


def test_a_picture_keeps_its_pixels_when_the_slot_is_used_again(slots: tuple[Slot, Slot]) -> None:
    first = av.VideoFrame.from_ndarray(scene(32, 32), format="rgb24")
    picture = taken(slots[0], laid(slots[1], first))
    laid(slots[1], av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
    assert distance(picture.pixels(32, 32), scene(32, 32)) < 1


def test_a_rotation_that_the_decoder_told_turns_the_picture(slots: tuple[Slot, Slot]) -> None:
    shown = laid(slots[1], av.VideoFrame.from_ndarray(scene(40, 20), format="rgb24"))
    turned = taken(slots[0], Shown(*[90 if name == "rotation" else getattr(shown, name) for name in Shown.__slots__]))
    assert (turned.width, turned.height) == (20, 40)


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "nonsense"},
        {"format": "gray"},
        {"width": 0},
        {"width": 100_000, "height": 100_000},
        {"planes": ((640, 480),)},
        {"planes": ((10**9, 20), (32, 10), (32, 10))},
        {"planes": ((64, 19), (32, 10), (32, 10))},
    ],
)
def test_a_picture_that_cannot_be_is_refused(slots: tuple[Slot, Slot], wrong: dict[str, object]) -> None:
    shown = laid(slots[1], av.VideoFrame(40, 20, "yuv420p"))
    told = {name: getattr(shown, name) for name in Shown.__slots__} | wrong
    with pytest.raises((ValueError, MediaError)):
        taken(slots[0], Shown(**told))
