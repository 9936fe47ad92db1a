"""Counters and latencies of a running stage: cheap to write on one thread, safe to read from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from math import frexp, ldexp

from weft.core.errors import WeftError

_SUB_BUCKETS = 32
_LOWEST = -20
_OCTAVES = 34
_BUCKETS = _OCTAVES * _SUB_BUCKETS


BOUNDS = tuple(sorted(ldexp(step, octave) for octave in range(-14, 4) for step in (1.0, 1.5)))
"""Where a :class:`Spread` is cut, in seconds: 61 µs to 12 s, two steps to an octave. Edges of buckets, so exact."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations are spread.

    Attributes:
        below: for each of ``BOUNDS``, how many were shorter.
        count: of all.
        total_s: all added up, within 1.6 %.
    """

    below: tuple[int, ...]
    count: int
    total_s: float


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Latencies in seconds; all 0 where nothing was measured."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Histogram:
    """Durations in logarithmic buckets, 32 to an octave: quantiles within 1.6 %, from 0.5 µs to over 2 hours.

    One thread writes; any thread may read. The memory does not grow.
    """

    __slots__ = ("_counts", "_max")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._max = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; what is outside the range goes to the nearest end of it."""
        self._max = max(self._max, seconds)
        mantissa, exponent = frexp(seconds)
        index = (exponent - _LOWEST) * _SUB_BUCKETS + int(mantissa * 2 * _SUB_BUCKETS) - _SUB_BUCKETS
        if mantissa <= 0.0 or index < 0:
            index = 0
        elif index >= _BUCKETS:
            index = _BUCKETS - 1
        self._counts[index] += 1

    @staticmethod
    def merged(histograms: Iterable[Histogram]) -> Quantiles:
        """The quantiles of several histograms together."""
        parts = list(histograms)
        counts = _columns(parts)
        highest = max((part._max for part in parts), default=0.0)
        total = sum(counts)
        if not total:
            return Quantiles()
        p50, p95, p99 = (min(_quantile(counts, total, share), highest) for share in (0.50, 0.95, 0.99))
        return Quantiles(total, p50, p95, p99, highest)


def spread(histograms: Iterable[Histogram]) -> Spread:
    """How the durations in several histograms together are spread."""
    counts = _columns(list(histograms))
    running = (0, *accumulate(counts)) if counts else (0,) * (_BUCKETS + 1)
    total = sum(count * _middle(index) for index, count in enumerate(counts) if count)
    return Spread(tuple(running[edge] for edge in _EDGES), running[-1], total)


def _columns(parts: list[Histogram]) -> list[int]:
    return [sum(column) for column in zip(*(part._counts for part in parts), strict=True)]


def _index(seconds: float) -> int:
    """Which bucket a duration belongs to; may lie outside of all."""
    mantissa, exponent = frexp(seconds)
    return (exponent - _LOWEST) * _SUB_BUCKETS + int(mantissa * 2 * _SUB_BUCKETS) - _SUB_BUCKETS


_EDGES = tuple(map(_index, BOUNDS))


def _quantile(counts: list[int], total: int, share: float) -> float:
    wanted = share * total
    seen = 0
    for index, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return _middle(index)
    return _middle(_BUCKETS - 1)


def _middle(index: int) -> float:
    octave, sub = divmod(index, _SUB_BUCKETS)
    return ldexp((_SUB_BUCKETS + sub + 0.5) / (2 * _SUB_BUCKETS), octave + _LOWEST)


class Meter:
    """What one thread of a stage counts. Only that thread writes.

    Attributes:
        taken: frames it began to work on.
        out: frames it passed on.
        bytes: of the payloads of those, where they were encoded.
        failed: frames that failed for good.
        retried: attempts after the first.
        busy_s: seconds spent working on frames.
        latency: the work on one frame.
        end_to_end: from the source to here (sinks only).
        errors: per class of error, how often, and the record of the first (the error itself would hold its frame).
        told: the classes of errors that are no news any more. The replicas of a stage share it.
    """

    __slots__ = ("busy_s", "bytes", "end_to_end", "errors", "failed", "latency", "out", "retried", "taken", "told")

    def __init__(self) -> None:
        self.taken = self.out = self.bytes = self.failed = self.retried = 0
        self.busy_s = 0.0
        self.latency = Histogram()
        self.end_to_end = Histogram()
        self.errors: dict[str, tuple[int, Mapping[str, object]]] = {}
        self.told: dict[str, object] = {}

    def worked(self, seconds: float) -> None:
        """Count one frame's work."""
        self.taken += 1
        self.busy_s += seconds
        self.latency.record(seconds)

    def fail(self, error: WeftError) -> bool:
        """Count a frame that failed; True for the first error of its class, which is news."""
        self.failed += 1
        kind = type(error).__name__
        count, first = self.errors.get(kind, (0, None))
        self.errors[kind] = (count + 1, error.record() if first is None else first)
        mark = object()
        return self.told.setdefault(kind, mark) is mark  # in one step: other replicas do the same

    def forget_told(self) -> None:
        """Every class of error is news again: what fails now has another reason."""
        self.told.clear()
