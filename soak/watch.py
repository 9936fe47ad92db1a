"""The process while the pipeline runs: memory, threads and files, and what may not happen to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median

from weft.core.clock import monotonic
from weft.core.units import format_size

WARM_UP = 0.3
"""Share of the samples that is left out: caches, arenas and the first instances of everything."""

MOST_GROWTH = 8 * 2**20
"""Bytes; memory that comes and goes with the frames under way is far less."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment.

    Attributes:
        at: seconds of the monotonic clock.
        memory: bytes that are resident.
        threads: of the process, the engines' included.
        files: open descriptors.
        frames: that had come out by then.
    """

    at: float
    memory: int
    threads: int
    files: int
    frames: int


def sample(frames: int, process: int | str = "self") -> Sample:
    """This process now, or the one with that number."""
    place = Path("/proc") / str(process)
    resident = int((place / "statm").read_text().split()[1]) * _PAGE
    return Sample(monotonic(), resident, _entries(place / "task"), _entries(place / "fd"), frames)


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def faults(samples: Sequence[Sample], *counts_that_stay: str) -> list[str]:
    """What grew or changed after the warm-up, in words: the memory, and the counts that may not change.

    Those are the threads and the files, unless they are named. Raises ValueError for fewer samples than tell anything.
    """
    watched = samples[round(len(samples) * WARM_UP) :]
    if len(watched) < 4:
        raise ValueError(f"{len(watched)} samples after the warm-up; 4 are the fewest that tell anything")
    found = []
    if (grown := growth(watched)) > MOST_GROWTH:
        found.append(f"memory grew by {format_size(grown)} over {watched[-1].frames - watched[0].frames} frames")
    for name in counts_that_stay or ("threads", "files"):
        counts = sorted({getattr(one, name) for one in watched})
        if len(counts) > 1:
            found.append(f"{name}: from {counts[0]} to {counts[-1]}")
    if watched[-1].frames == watched[0].frames:
        found.append("no frame came out any more")
    return found


def growth(watched: Sequence[Sample]) -> int:
    """Bytes by which memory grew over the samples: what grows goes on growing.

    The least of three: the medians of the first third and the last, which single peaks leave alone; and what the lines
    through either half come to over the whole time, of which a single step, as a backlog leaves it, tilts only one.
    """
    third, half = max(1, len(watched) // 3), len(watched) // 2
    step = median(one.memory for one in watched[-third:]) - median(one.memory for one in watched[:third])
    return round(min(step, _trend(watched[:half], watched), _trend(watched[half:], watched)))


def _trend(part: Sequence[Sample], watched: Sequence[Sample]) -> float:
    line = linear_regression([one.at for one in part], [one.memory for one in part])
    return line.slope * (watched[-1].at - watched[0].at)
