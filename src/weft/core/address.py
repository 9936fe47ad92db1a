"""Addresses people write: what kind of thing they name, and what of them may be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from weft.core.errors import UsageError

CAMERA_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")

Kind = Literal["device", "network", "file"]

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# To the last @, as a password may hold a slash that should have been written %2F.
_SECRET = re.compile(r"//\S*@")
_QUERY = re.compile(r"(//[^\s?]*)\?[^\s'\"]*")


def redacted(text: str) -> str:
    """A URL, or a text with URLs, without users, passwords and queries (cameras take tokens there)."""
    return _QUERY.sub(r"\1?…", _SECRET.sub("//…@", text))


@dataclass(frozen=True, slots=True)
class CameraAddress:
    """Where a camera is.

    Attributes:
        kind: a device of this machine, a stream from the network, or a video file played as one.
        target: the address, the device's or the file's path; it may hold a password, so it stands in no ``repr``.
        shown: the same without users, passwords and queries, for messages, logs and summaries.
        scheme: of a network camera, in small letters.
    """

    kind: Kind
    target: str = field(repr=False)
    shown: str
    scheme: str = ""

    @property
    def rtsp(self) -> bool:
        """Whether the camera speaks RTSP, and can be told how to send."""
        return self.scheme in ("rtsp", "rtsps")


def camera_address(written: str) -> CameraAddress:
    """The address in "/dev/video0", "0", "rtsp://…" or "belt.mp4". Raises UsageError for one no camera can have."""
    text = f"/dev/video{written}" if written.isascii() and written.isdigit() else written
    if match := _URL.match(text):
        scheme = match[1].lower()
        if scheme not in CAMERA_SCHEMES:
            cure = f"one of {', '.join(CAMERA_SCHEMES)}; or the path of a file"
            raise UsageError(f"no camera speaks '{scheme}'", cure=cure)
        return CameraAddress("network", text, redacted(text), scheme)
    if not text or not text.isprintable():
        raise UsageError("that is no camera", cure="name /dev/videoN, an address such as rtsp://…, or a video file")
    return CameraAddress("device" if text.startswith("/dev/") else "file", text, redacted(text))


def present_devices() -> str:
    """The cure for a device that is not there: the ones that are."""
    devices = sorted(map(str, Path("/dev").glob("video*")))
    return f"there are {', '.join(devices)}" if devices else "this machine has no camera device; plug one in"
