"""A picture out of a slot: planes of shared memory become a video frame of this process's own."""

from __future__ import annotations

import av
import numpy as np

from weft.core.picture import Pixels
from weft.media.cameras.messages import Shown
from weft.media.cameras.slot import Slot
from weft.media.headers import check_size
from weft.media.images import LazyPicture, picture_from_video


def taken(slot: Slot, shown: Shown) -> LazyPicture:
    """The picture that lies in the slot, copied: the slot is free afterwards.

    Raises ValueError or MediaError where what the decoder said of it cannot be.
    """
    check_size(shown.width, shown.height)
    frame = av.VideoFrame(shown.width, shown.height, shown.format)
    if len(frame.planes) != len(shown.planes):
        raise ValueError(f"{len(shown.planes)} planes of {shown.format}")
    lying = slot.read(shown.size)
    try:
        _copy(frame, shown, np.frombuffer(lying, np.uint8))
    finally:
        lying.release()
    frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = shown.colours
    return picture_from_video(frame, shown.rotation)


def _copy(frame: av.VideoFrame, shown: Shown, lying: Pixels) -> None:
    start = 0
    for plane, (row, rows) in zip(frame.planes, shown.planes, strict=True):
        if rows != plane.height:
            raise ValueError(f"a plane of {rows} rows")
        room = np.frombuffer(memoryview(plane), np.uint8).reshape(rows, plane.line_size)
        part = lying[start : start + row * rows].reshape(rows, row)
        both = min(row, plane.line_size)
        room[:, :both] = part[:, :both]
        start += row * rows
