"""What the benchmarks share: interleaved rounds, medians, and the records they leave."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Better = Literal["higher", "lower"]

DATA = Path(os.environ.get("WEFT_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside its goal.

    Attributes:
        name: what was measured.
        value: the median.
        unit: its unit; ``ratio`` is Weft over the baseline.
        goal: the number to reach.
        better: whether higher or lower is better.
        detail: the figures behind it.
    """

    name: str
    value: float
    unit: str
    goal: float
    better: Better
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """True when the goal is reached."""
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal

    def record(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "met": self.met}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def alternate(rounds: int, **work: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of each piece of work, taken in turns so that the machine's moods fall on all alike."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds):
        names = list(work) if number % 2 == 0 else list(work)[::-1]
        for name in names:
            taken[name].append(seconds(work[name]))
    return taken


def median_ratio(taken: dict[str, list[float]], weft: str, baseline: str) -> float:
    """Throughput of Weft over the baseline: the median of the rounds' ratios."""
    return statistics.median(b / w for w, b in zip(taken[weft], taken[baseline], strict=True))


def medians(taken: dict[str, list[float]], per: int = 1, scale: float = 1e3) -> dict[str, float]:
    """Median time per item, in milliseconds unless scaled otherwise."""
    return {name: round(statistics.median(values) / per * scale, 4) for name, values in taken.items()}
