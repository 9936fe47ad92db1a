"""Counters and latencies of a running stage: cheap to write on one thread, safe to read from another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import frexp, ldexp

from weft.core.errors import WeftError

_SUB_BUCKETS = 32
_LOWEST = -20
_OCTAVES = 34
_BUCKETS = _OCTAVES * _SUB_BUCKETS


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
        counts = [sum(column) for column in zip(*(part._counts for part in parts), strict=True)]
        highest = max((part._max for part in parts), default=0.0)
        total = sum(counts)
        if not total:
            return Quantiles()
        p50, p95, p99 = (min(_quantile(counts, total, share), highest) for share in (0.50, 0.95, 0.99))
        return Quantiles(total, p50, p95, p99, highest)


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
        failed: frames that failed for good.
        retried: attempts after the first.
        busy_s: seconds spent working on frames.
        latency: the work on one frame.
        end_to_end: from the source to here (sinks only).
        errors: per class of error, how often, and the record of the first (the error itself would hold its frame).
    """

    __slots__ = ("busy_s", "end_to_end", "errors", "failed", "latency", "out", "retried", "taken")

    def __init__(self) -> None:
        self.taken = self.out = self.failed = self.retried = 0
        self.busy_s = 0.0
        self.latency = Histogram()
        self.end_to_end = Histogram()
        self.errors: dict[str, tuple[int, Mapping[str, object]]] = {}

    def worked(self, seconds: float) -> None:
        """Count one frame's work."""
        self.taken += 1
        self.busy_s += seconds
        self.latency.record(seconds)

    def fail(self, error: WeftError) -> bool:
        """Count a frame that failed; True for the first error of its class."""
        self.failed += 1
        kind = type(error).__name__
        if kind not in self.errors:
            self.errors[kind] = (1, error.record())
            return True
        count, first = self.errors[kind]
        self.errors[kind] = (count + 1, first)
        return False
