"""What was measured last: ``bench/results.json``, a suite at a time, and the table in the docs made of it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Result, machine

HERE = Path(__file__).parent
RECORDS = HERE / "results.json"
TABLE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


def publish(suite: str, results: Sequence[Result], order: Iterable[str]) -> None:
    """Put a suite's results in the place of what it measured before.

    Args:
        suite: its name.
        results: all it measured, in one run.
        order: the names of all suites; those that are not among them are dropped.
    """
    kept = _read()
    kept[suite] = {
        "taken": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "results": [result.record() for result in results],
    }
    suites = {name: kept[name] for name in order if name in kept}
    RECORDS.write_text(json.dumps({"suites": suites}, indent=2, ensure_ascii=False) + "\n")
    head, rest = TABLE.read_text().split(BEGIN)
    _, tail = rest.split(END)
    TABLE.write_text(f"{head}{BEGIN}\n\n{table(suites)}\n{END}{tail}")


def table(suites: dict[str, Any]) -> str:
    """Each figure beside its goal, in Markdown."""
    lines = [*_machines(suites), "", "| what | measured | goal | met | behind it |", "|---|---:|---:|---|---|"]
    lines += (_row(record) for suite in suites.values() for record in suite["results"])
    return "\n".join(lines) + "\n"


def line(result: Result) -> str:
    """A figure for a terminal."""
    mark = "✓" if result.met else "✗"
    return f"{mark} {result.name}: {_value(result.record())} (goal {result.goal:g}) {result.detail}"


def _read() -> dict[str, Any]:
    return dict(json.loads(RECORDS.read_text())["suites"]) if RECORDS.exists() else {}


def _machines(suites: dict[str, Any]) -> list[str]:
    """Where and when; one line where all were taken on one machine and day."""
    places: dict[str, list[str]] = {}
    for name, suite in suites.items():
        host = suite["machine"]
        where = f"{host['cores']} cores of {host['cpu']}, Python {host['python']}, on {suite['taken']}"
        places.setdefault(where, []).append(name)
    if len(places) == 1:
        return [f"Taken on {where}." for where in places]
    return [f"Taken on {where}: {', '.join(names)}." for where, names in places.items()]


def _row(record: dict[str, Any]) -> str:
    behind = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in record["detail"].items())
    goal = f"{'≥' if record['better'] == 'higher' else '≤'} {record['goal']:g}"
    return f"| {record['name']} | {_value(record)} | {goal} | {'yes' if record['met'] else 'no'} | {behind} |"


def _value(record: dict[str, Any]) -> str:
    value = record["value"]
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return number if record["unit"] == "ratio" else f"{number} {record['unit']}"
