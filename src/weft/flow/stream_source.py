"""The streams of a site as a source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields

from weft.core.frame import Frame
from weft.stream.base import Streams, SubscribeOptions


@dataclass(frozen=True, slots=True)
class ReceivedCounters:
    """What became of the frames, as :attr:`weft.stream.base.Subscription.counters` says."""

    received: int = 0
    dropped: int = 0
    lost: int = 0
    recovered: int = 0
    malformed: int = 0
    refused: int = 0


class StreamSource:
    """The frames of all streams that fit some patterns, each with its own stream's and source's name.

    It is live: the subscription's queue drops frames of live streams that nobody takes in time. Frames of reliable
    streams wait with their publisher.

    Args:
        streams: where they are shared.
        patterns: names and patterns of streams.
        queue: frames that may wait.
        latest: begin with the last frame of streams that keep it.
        limit: stop after so many frames.
        without: streams that are left out.
    """

    live = True

    def __init__(
        self,
        streams: Streams,
        patterns: Sequence[str],
        *,
        queue: int = 64,
        latest: bool = True,
        limit: int | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.length = limit
        self._without = frozenset(without)
        self._subscription = streams.subscribe(patterns, SubscribeOptions(queue, latest))

    def frames(self) -> Iterator[Frame]:
        """The frames, until it is closed."""
        count = 0
        for frame in self._subscription:
            if frame.stream not in self._without:
                yield frame
                count += 1
                if count == self.length:
                    return

    @property
    def counters(self) -> ReceivedCounters:
        """What became of the frames so far."""
        counted = self._subscription.counters
        return ReceivedCounters(**{field.name: counted.get(field.name, 0) for field in fields(ReceivedCounters)})

    def close(self) -> None:
        """End ``frames`` at once; from any thread."""
        self._subscription.close()
