"""What is published in a site, and how much of it comes."""

from __future__ import annotations

from dataclasses import dataclass

from weft.core.clock import monotonic
from weft.stream.base import StreamInfo, Streams, SubscribeOptions

MEASURE_S = 1.0
QUEUE = 4096


@dataclass(frozen=True, slots=True)
class Seen:
    """A stream and what came of it.

    Attributes:
        info: who publishes it, and how.
        frames_per_s: frames that came in a second.
        bytes_per_s: bytes of their payloads.
    """

    info: StreamInfo
    frames_per_s: float
    bytes_per_s: float


def survey(place: Streams, seconds: float = MEASURE_S) -> list[Seen]:
    """The streams that are published now, by name, measured for so many seconds: all of them are received meanwhile."""
    frames: dict[str, int] = {}
    size: dict[str, int] = {}
    subscription = place.subscribe(["**"], SubscribeOptions(QUEUE, latest=False))
    try:
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0 and (frame := subscription.get(left)) is not None:
            frames[frame.stream] = frames.get(frame.stream, 0) + 1
            size[frame.stream] = size.get(frame.stream, 0) + len(frame.payload)
    finally:
        subscription.close()
    return [
        Seen(info, round(frames.get(info.name, 0) / seconds, 2), round(size.get(info.name, 0) / seconds, 1))
        for info in place.known()
    ]
