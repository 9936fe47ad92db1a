"""The streams of a site as a source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial

from weft.core.frame import Frame
from weft.core.once import Once
from weft.flow.items import Receipt
from weft.stream.base import Consumer, Group, Mark, Streams, SubscribeOptions


@dataclass(frozen=True, slots=True)
class ReceivedCounters:
    """What became of the frames, as :attr:`weft.stream.base.Subscription.counters` says."""

    received: int = 0
    dropped: int = 0
    lost: int = 0
    recovered: int = 0
    again: int = 0
    malformed: int = 0
    refused: int = 0


class StreamSource:
    """The frames of all streams that fit some patterns, each with its own stream's and source's name.

    It is live: the subscription's queue drops frames of live streams that nobody takes in time. Frames of reliable
    streams wait with their publisher. One with a consumer's name, or a member of a group, drops nothing once it is
    taken: a frame is delivered when all that follows from it is done, and until then no more are taken than fit.

    Args:
        streams: where they are shared.
        patterns: names and patterns of streams.
        queue: frames that may wait.
        latest: begin with the last frame of streams that keep it.
        consumer: who it is, where it goes on where it was.
        group: whom it shares the streams' load with: a frame goes to another member unless it was done here.
        limit: stop after so many frames.
        without: streams that are left out.
    """

    def __init__(
        self,
        streams: Streams,
        patterns: Sequence[str],
        *,
        queue: int = 64,
        latest: bool = True,
        consumer: Consumer | None = None,
        group: Group | None = None,
        limit: int | None = None,
        without: Collection[str] = (),
    ) -> None:
        self.live = consumer is None and group is None
        self.length = limit
        self._mark: Mark | None = None
        self._without = frozenset(without)
        self._subscription = streams.subscribe(patterns, SubscribeOptions(queue, latest, consumer, group))
        # Once: the second time it would no longer hear what is delivered while the pipeline drains.
        self._close = Once(self._subscription.close)

    def frames(self) -> Iterator[Frame]:
        """The frames, until it is closed."""
        count = 0
        while (found := self._subscription.receive()) is not None:
            frame, self._mark = found
            if frame.stream in self._without:
                self.receipt()
                continue
            yield frame
            count += 1
            if count == self.length:
                return

    def receipt(self) -> Receipt | None:
        """What tells that the last frame is done; None where nobody wants to know."""
        mark, self._mark = self._mark, None
        return None if mark is None else Receipt(partial(self._subscription.delivered, mark))

    @property
    def counters(self) -> ReceivedCounters:
        """What became of the frames so far."""
        counted = self._subscription.counters
        return ReceivedCounters(**{field.name: counted.get(field.name, 0) for field in fields(ReceivedCounters)})

    def close(self) -> None:
        """End ``frames`` at once; from any thread."""
        self._close()
