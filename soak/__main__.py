"""``make soak``: run the pipeline, the streams and the server for ten minutes or ``MINUTES=…`` each, and watch.

The server takes half as long: five minutes of ten.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from soak.pipeline import Soak, quiet
from soak.serve import Served
from soak.streams import FEW, ROLES, STREAMS, Site, looks, summary
from soak.watch import Sample, faults, sample
from weft.core.clock import monotonic
from weft.core.units import format_duration, format_size
from weft.flow.executor import Run

SAMPLES = 40
SHORT_S = 10.0


def main(words: list[str]) -> int:
    """Returns 1, with the reasons, when memory grew, a frame was lost, or threads or files changed."""
    given = _read(words)
    seconds = SHORT_S if given.short else float(given.minutes) * 60
    return max([RUNS[name](seconds) for name in dict.fromkeys(given.what or RUNS)])


def run_pipeline(seconds: float) -> int:
    """A pipeline at full speed in this process."""
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
    return _verdict(found, f"{soak.belt.results + soak.camera.results} frames in {format_duration(summary.seconds)}")


def run_streams(seconds: float) -> int:
    """A hundred streams through a router, in three processes."""
    with ExitStack() as stack:
        site = Site(stack, FEW if seconds <= SHORT_S else STREAMS)
        began = monotonic()
        for taken in looks(site, (began + seconds * number / SAMPLES for number in range(1, SAMPLES + 1))):
            print("  ".join(map(_short, ROLES, taken)), f" {taken[0].frames:>9} frames", flush=True)
        sent, report = site.account()
        return _verdict(site.faults(sent, report), summary(sent, report))


def run_serve(seconds: float) -> int:
    """A server under load, in a process of its own, for half the time."""
    with ExitStack() as stack:
        served = Served(stack)
        for taken in served.rounds(seconds / 2, SAMPLES):
            print(_line(taken, served.samples[0]).replace("frames", "requests"), flush=True)
        return _verdict(served.faults(), served.summary())


RUNS = {"pipeline": run_pipeline, "streams": run_streams, "serve": run_serve}


def _verdict(found: Sequence[str], what: str) -> int:
    for fault in found:
        print(f"FAULT  {fault}")
    print(f"{'not sound' if found else 'sound'}: {what}", flush=True)
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


def _short(role: str, taken: Sample) -> str:
    return f"{role} {format_size(taken.memory):>10} {taken.threads:3} threads {taken.files:3} files"


def _read(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"{' or '.join(RUNS)} (default: one after the other)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each (default 10)")
    parser.add_argument("--short", action="store_true", help=f"{SHORT_S:g} seconds, as the tests run it")
    given = parser.parse_args(words)
    if unknown := [name for name in given.what if name not in RUNS]:
        parser.error(f"no '{unknown[0]}': {' or '.join(RUNS)}")
    if not 0 < given.minutes < math.inf:
        parser.error(f"--minutes {given.minutes:g}: give a number above 0")
    return given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
