"""Addresses: what they name, and that nothing secret of them is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.address import camera_address, present_devices, redacted
from weft.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://host/x", "rtsp://host/x"),
        ("rtsp://me:secret@host:554/x", "rtsp://…@host:554/x"),
        ("rtsp://me:se/cret@host/x", "rtsp://…@host/x"),
        ("rtsp://me:se@cret@host/x", "rtsp://…@host/x"),
        ("http://host/x?token=hush&y=1", "http://host/x?…"),
        ("http://host/x?pw=a@b", "http://…@b"),
        ("opening 'http://me:secret@host/x?t=hush' failed", "opening 'http://…@host/x?…' failed"),
        ("is it me@home?", "is it me@home?"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_users_passwords_and_queries_are_left_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


SECRET = st.text("abcXYZ019%!$&'()*+,;=:@/._~-", min_size=3).map(lambda text: f"hush{text}hush")


@given(SECRET, SECRET)
def test_no_password_survives(user: str, password: str) -> None:
    assert "hush" not in redacted(f"cannot open rtsp://{user}:{password}@host:554/x: refused")
    address = camera_address(f"rtsp://{user}:{password}@host/x")
    assert "hush" not in repr(address) + address.shown
    assert password in address.target


@pytest.mark.parametrize(
    ("written", "kind", "target"),
    [
        ("0", "device", "/dev/video0"),
        ("/dev/v4l/by-id/x", "device", "/dev/v4l/by-id/x"),
        ("RTSP://host/x", "network", "RTSP://host/x"),
        ("belt.mp4", "file", "belt.mp4"),
        ("concat:a|b", "file", "concat:a|b"),
        ("٣", "file", "٣"),
    ],
)
def test_an_address_is_a_device_a_stream_or_a_file(written: str, kind: str, target: str) -> None:
    address = camera_address(written)
    assert (address.kind, address.target) == (kind, target)
    assert address.rtsp == written.startswith("RTSP")


@pytest.mark.parametrize("written", ["", "ftp://me:secret@host/x", "file:///x", "a\0b", "a\nb"])
def test_what_no_camera_has_is_refused(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        camera_address(written)
    assert caught.value.cure
    assert "secret" not in str(caught.value)


def test_devices_that_are_there_are_named_or_that_there_are_none() -> None:
    assert present_devices().startswith(("there are /dev/video", "this machine has no camera"))
