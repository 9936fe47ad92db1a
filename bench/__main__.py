"""``make bench``: run every benchmark, each number beside its baseline, and publish what came out.

``python -m bench streams serve`` runs some and only prints them; ``--save`` publishes them, too.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from bench.harness import DATA
from bench.published import line, publish

SUITES = (
    "startup",
    "sandbox",
    "flow",
    "swap",
    "video",
    "view",
    "cameras",
    "foreign",
    "classify",
    "python",
    "state",
    "serve",
    "serve_grpc",
    "serve_functions",
    "streams",
    "artifacts",
)


def main(words: list[str]) -> int:
    """Run the named suites, or all; returns 1 when a goal is missed."""
    given = _read(words)
    if not DATA.is_dir():
        print(f"the reference models are missing: set WEFT_DATA to their folder (looked in {DATA})")
        return 1
    return max([_run(name, save=given.save) for name in given.suites or SUITES])


def _run(name: str, *, save: bool) -> int:
    results = []
    for result in import_module(f"bench.{name}").run():
        print(line(result), flush=True)
        results.append(result)
    if save:
        publish(name, results, SUITES)
    return 0 if all(result.met for result in results) else 1


def _read(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measure Weft beside its baselines.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"what to measure, or all: {', '.join(SUITES)}")
    parser.add_argument("--save", action="store_true", help="write bench/results.json and the table of the docs")
    given = parser.parse_args(words)
    for name in given.suites:
        if name not in SUITES:
            parser.error(f"no suite '{name}'; one of {', '.join(SUITES)}")
    return given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
