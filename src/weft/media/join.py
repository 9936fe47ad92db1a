"""Join: pictures of one stream and results of others, brought together by their sequence. No files, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weft.core.frame import Frame

Joined = tuple[Frame, tuple[Frame, ...]]


@dataclass(slots=True)
class JoinCounters:
    """What a join did.

    Attributes:
        joined: pictures that left with at least one result.
        bare: pictures that left without any.
        hurried: pictures that left before every results stream had reached them, because the buffer was full.
        late: results whose picture had already left.
        orphans: results whose picture never came, that did not fit, or that tell of another source.
    """

    joined: int = 0
    bare: int = 0
    hurried: int = 0
    late: int = 0
    orphans: int = 0


class Join:
    """Holds pictures back until their results are there, and gives them out in the order they came.

    A picture may leave when every results stream has reached its sequence: with a result of the same
    sequence, or of a higher one (then there is none for this picture, because each stream keeps its order).
    At most ``capacity`` pictures wait; policy: the oldest leaves with the results it has by then. At most four
    times as many results wait; policy: the one with the lowest sequence is let go. ``counters`` counts both.
    Sources count their frames alike: results of another source than the pictures' are left out.

    Args:
        results: names of the results streams. Without them a stream is known from its first result on, and no
            picture leaves before the first result of all, unless the buffer is full.
        capacity: pictures that may wait.
    """

    def __init__(self, results: Iterable[str] = (), *, capacity: int = 64) -> None:
        self.counters = JoinCounters()
        self._capacity = capacity
        self._reached = dict.fromkeys(results, -1)
        self._pictures: deque[Frame] = deque()
        self._results: dict[int, list[Frame]] = {}
        self._held = 0
        self._left = -1
        self._source: str | None = None
        self._early: deque[Frame] = deque(maxlen=4 * capacity)

    def picture(self, frame: Frame) -> list[Joined]:
        """Take a picture; the pictures that may leave now."""
        self._pictures.append(frame)
        if self._source is None:
            self._source = frame.source
            while self._early:
                self._take(self._early.popleft())
        return list(self._leave())

    def result(self, frame: Frame) -> list[Joined]:
        """Take a result; the pictures that may leave now."""
        if self._source is None:  # whose results count is known with the first picture
            self.counters.orphans += len(self._early) == self._early.maxlen
            self._early.append(frame)
            return []
        self._take(frame)
        return list(self._leave())

    def _take(self, frame: Frame) -> None:
        if frame.source != self._source:
            self.counters.orphans += 1
            return
        self._reached[frame.stream] = max(frame.sequence, self._reached.get(frame.stream, -1))
        if frame.sequence <= self._left:
            self.counters.late += 1
        else:
            self._results.setdefault(frame.sequence, []).append(frame)
            self._held += 1
            self._let_go()

    def flush(self) -> list[Joined]:
        """All pictures that still wait, with the results that are there."""
        out = [self._pop() for _ in range(len(self._pictures))]
        self.counters.orphans += self._held + len(self._early)
        self._early.clear()
        self._results.clear()
        self._held = 0
        return out

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        return len(self._pictures)

    def _leave(self) -> Iterator[Joined]:
        reached = min(self._reached.values(), default=-1)
        while self._pictures and self._pictures[0].sequence <= reached:
            yield self._pop()
        while len(self._pictures) > self._capacity:
            self.counters.hurried += 1
            yield self._pop()

    def _pop(self) -> Joined:
        frame = self._pictures.popleft()
        self._left = max(self._left, frame.sequence)
        found = self._results.pop(frame.sequence, [])
        self._held -= len(found)
        for passed in [sequence for sequence in self._results if sequence < frame.sequence]:
            self._drop(passed)
        if found:
            self.counters.joined += 1
        else:
            self.counters.bare += 1
        return frame, tuple(found)

    def _let_go(self) -> None:
        while self._held > 4 * self._capacity:
            self._drop(min(self._results))

    def _drop(self, sequence: int) -> None:
        gone = len(self._results.pop(sequence))
        self._held -= gone
        self.counters.orphans += gone
