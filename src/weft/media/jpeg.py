"""The segments of a JPEG before its pixels: size, colour components and orientation."""

from __future__ import annotations

from collections.abc import Iterator

from weft.media.orientation import UPRIGHT, Turn, exif_turn

# Colour profiles and thumbnails come in dozens of segments; more than this is an attack on whoever walks them.
_MAX_SEGMENTS = 1024

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_APP1 = 0xE1
_ALONE = frozenset(range(0xD0, 0xDA)) | {0x01}
_EXIF = b"Exif\x00\x00"


def frame_header(jpeg: bytes) -> tuple[int, int, int, Turn]:
    """Width, height, number of components and the turn EXIF asks for.

    Raises ValueError where the bytes end, or the pixels begin, before the frame header.
    """
    turn = UPRIGHT
    for marker, start, size in _segments(jpeg):
        if marker == _APP1 and jpeg[start : start + 6] == _EXIF:
            turn = exif_turn(jpeg[start + 6 : start + size])
        if marker in _START_OF_FRAME and size >= 6:
            height, width = (int.from_bytes(jpeg[at : at + 2], "big") for at in (start + 1, start + 3))
            return width, height, jpeg[start + 5], turn
    raise ValueError("no frame header")


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and size of each segment; whole ones only."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        # As libjpeg does: whatever stands between segments, and fill bytes, is passed over.
        position = jpeg.find(b"\xff", position)
        if position < 0 or position + 4 > len(jpeg):
            return
        marker = jpeg[position + 1]
        if marker in (0x00, 0xFF) or marker in _ALONE:
            position += 1 if marker == 0xFF else 2
            continue
        size = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == _START_OF_SCAN or size < 2 or position + 2 + size > len(jpeg):
            return
        yield marker, position + 4, size - 2
        position += 2 + size
