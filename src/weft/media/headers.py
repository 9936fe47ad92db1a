"""What a picture file says about itself in its first bytes: format and size, without decoding anything."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core.errors import MediaError
from weft.media.jpeg import frame_header
from weft.media.orientation import UPRIGHT, Turn

# 64 Mpx is 192 MB of RGB: more than any camera at the edge takes, little enough to survive.
MAX_PIXELS = 64 * 2**20

READABLE = "JPEG, PNG, WebP or BMP"

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Header:
    """Format and size as stored, and how to turn the stored pixels upright.

    ``components`` counts the colour components of a JPEG: 1 grey, 3 colour, 4 CMYK; 0 for other formats.
    """

    media_type: str
    width: int
    height: int
    turn: Turn = UPRIGHT
    components: int = 0


def sniff(data: bytes) -> str:
    """The media type of a picture by its first bytes; empty for anything Weft does not read."""
    if data[:3] == _JPEG:
        return "image/jpeg"
    if data[:8] == _PNG:
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/bmp" if data[:2] == b"BM" else ""


def read_header(data: bytes, media_type: str = "") -> Header:
    """Format and size of a picture. ``media_type`` is what somebody claimed, for the message only.

    Raises MediaError for other formats, a header that is cut short, and pictures over ``MAX_PIXELS``.
    """
    kind = sniff(data)
    if not kind:
        raise _no_picture(data, media_type)
    try:
        header = _READERS[kind](data)
    except (ValueError, IndexError) as error:
        raise MediaError(f"the {kind} header is damaged", cure="send the whole, unchanged file") from error
    check_size(header.width, header.height)
    return header


def check_size(width: int, height: int) -> None:
    """Refuse an empty picture and one over ``MAX_PIXELS``; MediaError."""
    if width < 1 or height < 1:
        raise MediaError(f"a picture of {width}x{height} pixels is empty", cure="both sides must be at least 1")
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 2**20
        raise MediaError(f"{width}x{height} pixels are over the limit of {limit} Mpx", cure="send it smaller")


def _no_picture(data: bytes, media_type: str) -> MediaError:
    claim = f", though it was called {media_type}" if media_type else ""
    if not data:
        return MediaError(f"the picture is empty (0 bytes){claim}", cure="check what wrote it")
    start = bytes(data[:8])
    return MediaError(f"no picture Weft reads{claim}: it starts with {start!r}", cure=f"send {READABLE}")


def _number(data: bytes, start: int, size: int) -> int:
    part = data[start : start + size]
    if len(part) < size:
        raise IndexError("the header is cut short")
    return int.from_bytes(part, "little")


def _jpeg(data: bytes) -> Header:
    width, height, components, turn = frame_header(data)
    return Header("image/jpeg", width, height, turn, components)


def _png(data: bytes) -> Header:
    if data[12:16] != b"IHDR" or len(data) < 24:
        raise ValueError("no IHDR")
    return Header("image/png", int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))


def _bmp(data: bytes) -> Header:
    if _number(data, 14, 4) == 12:
        return Header("image/bmp", _number(data, 18, 2), _number(data, 20, 2))
    height = _number(data, 22, 4)
    # A negative height means that the rows run from the top.
    return Header("image/bmp", _number(data, 18, 4), min(height, 2**32 - height))


def _webp(data: bytes) -> Header:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return Header("image/webp", _number(data, 24, 3) + 1, _number(data, 27, 3) + 1)
    if chunk == b"VP8L":
        bits = _number(data, 21, 4)
        return Header("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        return Header("image/webp", _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF)
    raise ValueError(f"unknown chunk {chunk!r}")


_READERS = {"image/jpeg": _jpeg, "image/png": _png, "image/bmp": _bmp, "image/webp": _webp}
