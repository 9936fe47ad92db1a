"""``make soak``: run the pipeline for ten minutes, or ``MINUTES=…`` of them, and watch the process."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator

from soak.pipeline import Soak, quiet
from soak.watch import Sample, faults, sample
from weft.core.clock import monotonic
from weft.core.units import format_duration, format_size
from weft.flow.executor import Run

SAMPLES = 40
SHORT_S = 10.0


def main(words: list[str]) -> int:
    """Returns 1, with the reasons, when memory grew, a frame was lost, or threads or files changed."""
    seconds = _seconds(words)
    quiet()
    soak = Soak()
    samples = []
    with soak.pipeline.start() as run:
        for taken in _samples(run, soak, seconds):
            samples.append(taken)
            print(_line(taken, samples[0]), flush=True)
        run.stop()
        run.wait()
    summary = run.snapshot()
    found = [*soak.faults(summary), *(faults(samples) if summary.error is None else [])]
    for fault in found:
        print(f"FAULT  {fault}")
    print(
        f"{'not sound' if found else 'sound'}: {soak.belt.results + soak.camera.results} frames"
        f" in {format_duration(summary.seconds)}"
    )
    return 1 if found else 0


def _samples(run: Run, soak: Soak, seconds: float) -> Iterator[Sample]:
    """One now and then, until the time is over or the pipeline ended before it."""
    began = monotonic()
    for number in range(1, SAMPLES + 1):
        if run.wait(max(0.0, began + seconds * number / SAMPLES - monotonic())):
            return
        yield sample(soak.belt.results + soak.camera.results)


def _line(taken: Sample, first: Sample) -> str:
    return (
        f"{format_duration(taken.at - first.at):>12}  {format_size(taken.memory):>10}  {taken.threads:3} threads"
        f"  {taken.files:3} files  {taken.frames:>9} frames"
    )


def _seconds(words: list[str]) -> float:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_S:g} seconds, as the tests run it")
    given = parser.parse_args(words)
    if not 0 < given.minutes < math.inf:
        parser.error(f"--minutes {given.minutes:g}: give a number above 0")
    return SHORT_S if given.short else float(given.minutes) * 60


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
