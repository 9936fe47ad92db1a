"""``make bench``: run every benchmark, write ``bench/results.json`` and the table in the docs."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

from bench import (
    artifacts,
    cameras,
    classify,
    flow,
    foreign,
    python,
    sandbox,
    serve,
    serve_grpc,
    startup,
    state,
    streams,
    swap,
    video,
    view,
)
from bench.harness import DATA, Result, machine

HERE = Path(__file__).parent
TABLE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"
SUITES = {
    "startup": startup,
    "sandbox": sandbox,
    "flow": flow,
    "swap": swap,
    "video": video,
    "view": view,
    "cameras": cameras,
    "foreign": foreign,
    "classify": classify,
    "python": python,
    "state": state,
    "serve": serve,
    "serve_grpc": serve_grpc,
    "streams": streams,
    "artifacts": artifacts,
}


def main(names: list[str]) -> int:
    """Run the named suites, or all; exit 1 when a goal is missed."""
    if not DATA.is_dir():
        print(f"the reference models are missing: set WEFT_DATA to their folder (looked in {DATA})")
        return 1
    results = []
    for name in names or SUITES:
        for result in SUITES[name].run():
            print(_row(result), flush=True)
            results.append(result)
    if not names:
        _save(results)
    return 0 if all(result.met for result in results) else 1


def _save(results: list[Result]) -> None:
    document = {
        "taken": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "results": [result.record() for result in results],
    }
    (HERE / "results.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    text = TABLE.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    TABLE.write_text(f"{head}{BEGIN}\n\n{_table(results)}\n{END}{tail}")


def _table(results: list[Result]) -> str:
    host = machine()
    lines = [
        f"Taken on {host['cores']} cores of {host['cpu']}, Python {host['python']}.",
        "",
        "| what | measured | goal | met | behind it |",
        "|---|---:|---:|---|---|",
    ]
    for result in results:
        behind = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.detail.items())
        sign = "≥" if result.better == "higher" else "≤"
        cells = (
            result.name,
            f"{result.value:.3g} {_unit(result)}",
            f"{sign} {result.goal:g}",
            "yes" if result.met else "no",
            behind,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _unit(result: Result) -> str:
    return "" if result.unit == "ratio" else result.unit


def _row(result: Result) -> str:
    mark = "✓" if result.met else "✗"
    return f"{mark} {result.name}: {result.value:.3g} {_unit(result)} (goal {result.goal:g}) {result.detail}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
