"""A Python function in the stdio form: what it returns, sees, says and asks for. One guest serves most tests."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft import Frame, Grants, Limits, LoadedFunction
from weft.core.errors import GuestFailed
from weft.core.limits import StateGrant
from weft.media.images import open_picture

pytestmark = pytest.mark.usefixtures("kept")

Play = Callable[..., list[Frame]]


def said(frames: list[Frame]) -> Any:
    (frame,) = frames
    assert frame.media_type == "application/json"
    return json.loads(frame.payload)


# --- what it returns -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "payload", "media_type"),
    [
        ("listing", b'[1, "two"]', "application/json"),
        ("binary", b"\0\xff", "application/octet-stream"),
        ("typed", b"<a/>", "text/xml"),
        ("through", b"through", "application/octet-stream"),
    ],
)
def test_what_it_returns_says_its_media_type(play: Play, what: str, payload: bytes, media_type: str) -> None:
    (frame,) = play(what)
    assert (frame.payload, frame.media_type, frame.stream) == (payload, media_type, "")


def test_nothing_is_nothing(play: Play) -> None:
    assert play("nothing") == []


def test_numpy_values_and_sets_become_json(play: Play) -> None:
    assert said(play("document")) == {"ü": [1, 2.5, None], "np": 0.5, "array": [0, 1, 2], "set": [1, 2]}


def test_several_come_in_their_order(play: Play) -> None:
    assert [frame.payload for frame in play("several")] == [b"one", b'{"two": 2}']
    assert [(frame.payload, frame.media_type) for frame in play("generated")] == [
        (b"first", "text/plain"),
        (b"second", "text/plain"),
        (b"generated", "x/y"),
    ]


def test_what_a_frame_emits_keeps_its_sequence_time_and_headers(play: Play) -> None:
    (frame,) = play("listing", sequence=4, time_ns=5, headers={"a": "b"}, stream="cam")
    assert (frame.sequence, frame.time_ns, dict(frame.headers)) == (4, 5, {"a": "b"})


def test_a_frame_handed_through_is_not_encoded(written: Callable[..., LoadedFunction], data: Path) -> None:
    shown = open_picture((data / "images" / "cat.jpg").read_bytes(), "image/jpeg")
    frame = Frame(None, picture=shown, media_type="image/x-raw", stream="cam")
    (out,) = written("def handle(frame):\n    return frame\n")(frame)
    assert (out.picture, out.media_type, out.stream) == (shown, "image/x-raw", "")
    assert not out.encoded
    assert not frame.encoded


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("object_", "TypeError: cannot emit object"),
        ("not-a-number", "ValueError: Out of range float values are not JSON compliant"),
        ("elsewhere", "HostError: a stream or media type with control characters"),
        ("half", "ValueError: and then not"),
    ],
)
def test_what_cannot_be_emitted_fails_the_frame(play: Play, what: str, says: str) -> None:
    with pytest.raises(GuestFailed, match=says):
        play(what)
    assert [frame.payload for frame in play("listing")] == [b'[1, "two"]']


# --- what it sees ----------------------------------------------------------------------


def test_it_sees_the_frame(play: Play) -> None:
    told = {"stream": "cam/ü", "media_type": "a/b", "headers": {"k": "ü"}, "sequence": 2**40, "time_ns": 2**62}
    assert said(play("described", **told)) == told


@pytest.mark.parametrize("size", [4, 16 * 1024, 16 * 1024 + 1, 3_000_000])
def test_it_sees_the_payload_whatever_its_size(play: Play, size: int) -> None:
    text = "size" + " " * (size - 4)
    assert [frame.payload for frame in play(text)] == [str(size).encode()]


def test_it_sees_its_config(play: Play) -> None:
    told = said(play("configured"))
    assert told == {"all": {"threshold": "0.5", "labels": "a\nb"}, "started": "0.5", "missing": "none"}


def test_it_sees_nothing_of_the_machine(play: Play) -> None:
    told = said(play("world"))
    assert told["env"] == {}
    assert [name for name in told["library"] if not name.startswith("python")] == []
    assert told["secret"] == "from a sibling"
    assert "No module named 'unrelated'" in told["unrelated"]


def test_it_can_write_nowhere(play: Play) -> None:
    told = said(play("tamper"))
    assert "written" not in told.values()
    assert len(told) == 7


def test_it_reaches_no_network(play: Play) -> None:
    with pytest.raises(GuestFailed):
        play("connect")


# --- what it says ----------------------------------------------------------------------


def test_prints_and_logging_go_to_its_log(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert play("talk ü") == []
    assert [(r.levelname, r.message) for r in caplog.records if r.name == "weft.guest.playground"] == [
        ("INFO", "printed ü"),
        ("WARNING", "to standard error"),
        ("INFO", "playground: logged 7"),
        ("ERROR", "other: an error"),
        ("INFO", "half a line"),
    ]


def test_what_it_says_is_bounded(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    play("chatter 5000")
    play("nothing")
    assert sum(record.message.isdigit() for record in caplog.records) == Limits().logs
    assert "4900 log lines dropped" in caplog.text


def test_there_is_no_terminal(play: Play) -> None:
    with pytest.raises(GuestFailed, match="EOFError"):
        play("ask_terminal")


# --- pictures, tensors, models ---------------------------------------------------------


def test_pictures_as_pixels_and_tensors(playground: LoadedFunction, data: Path) -> None:
    shown = open_picture((data / "images" / "cat.jpg").read_bytes(), "image/jpeg")
    (frame,) = playground(Frame(b"picture", picture=shown))
    told = json.loads(frame.payload)
    assert told["size"] == [shown.width, shown.height]
    assert np.allclose(told["pixels"], shown.pixels(4, 2), atol=4), "decoded once at full size, once straight to small"
    assert told["grey"] == [2, 4]
    assert told["tensor"][:2] == ["u8", [1, 6, 8, 3]]
    assert np.allclose(told["tensor"][2], shown.pixels(8, 6).reshape(-1)[:6], atol=4)
    assert told["whole"] == [shown.height, shown.width, 3]


def test_what_shows_nothing_says_so(play: Play) -> None:
    with pytest.raises(GuestFailed, match=r"HostError: .*no picture"):
        play("picture")


def test_pillow_is_there(written: Callable[..., LoadedFunction], data: Path) -> None:
    function = written(
        "import io\nfrom PIL import Image\n"
        "def handle(frame):\n    return list(Image.open(io.BytesIO(frame.payload)).size)\n",
        abi=None,
    )
    jpeg = (data / "images" / "cat.jpg").read_bytes()
    shown = open_picture(jpeg, "image/jpeg")
    (frame,) = function(jpeg)
    assert json.loads(frame.payload) == [shown.width, shown.height]


def test_tensors_of_numpy_and_of_bytes(play: Play) -> None:
    told = said(play("tensors"))
    assert told["made"] == ["i32", [2, 2], [1, 5, 3, 5], [[1, 5.0], [3, 5.0], [2, 3.0]]]
    assert told["raw"] == ["u8", [2, 2], [[1, 2], [3, 4]]]
    assert told["same"] is True


def test_dropped_tensors_are_let_go_of(play: Play) -> None:
    """Far more than limits.handles, one after the other."""
    assert [frame.payload for frame in play("many 200")] == [b"24000.0"]


def test_hoarded_tensors_are_refused_at_the_limit(play: Play) -> None:
    told = said(play("hoard"))
    assert (told["kind"], told["held"]) == ("too_large", Limits().handles)
    assert "limits.handles" in told["said"]


def test_a_model_that_was_not_granted_comes_with_its_cure(play: Play) -> None:
    with pytest.raises(GuestFailed, match="HostError: no model 'net' was granted") as caught:
        play("refused net")
    assert "--model net=FILE" in caught.value.cure


# --- state -----------------------------------------------------------------------------


def test_state_is_refused_unless_granted(play: Play) -> None:
    with pytest.raises(GuestFailed, match="no state was granted") as caught:
        play("remember")
    assert "--state" in caught.value.cure


def test_state_outlives_the_instance_and_a_failed_frame_changes_none(
    written: Callable[..., LoadedFunction], tmp_path: Path
) -> None:
    text = (
        "import weft\n"
        "def handle(frame):\n"
        "    n = int(weft.state.get('n', b'0')) + 1\n"
        "    weft.state['n'] = str(n).encode()\n"
        "    if frame.payload: raise ValueError('after writing')\n"
        "    return str(n)\n"
    )
    grants = Grants(state=StateGrant(tmp_path / "state.db"))
    for wanted in (b"1", b"2"):
        function = written(text, grants=grants)
        assert [frame.payload for frame in function(b"")] == [wanted]
        with pytest.raises(GuestFailed, match="after writing"):
            function(b"fail")
        function.close()
