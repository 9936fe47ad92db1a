"""What the benchmarks publish: a suite at a time, the others stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import published
from bench.harness import Result

FAST = Result("a: fast", 12345.6, "/s", 10_000, "higher", {"of_bare": 0.9})
SLOW = Result("b: slow", 0.5, "ratio", 0.9, "higher")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "benchmarks.md"
    path.write_text(f"# Before\n\n{published.BEGIN}\n\nold\n\n{published.END}\n\nAfter.\n")
    monkeypatch.setattr(published, "TABLE", path)
    monkeypatch.setattr(published, "RECORDS", tmp_path / "results.json")
    return path


def rows(page: Path) -> list[str]:
    return [line for line in page.read_text().splitlines() if line.startswith("| ")][1:]


def test_a_suite_takes_the_place_of_its_old_results_and_the_others_stay(page: Path) -> None:
    published.publish("b", [SLOW], ("a", "b"))
    published.publish("a", [SLOW], ("a", "b"))
    published.publish("a", [FAST], ("a", "b"))
    assert rows(page) == ["| a: fast | 12,346 /s | ≥ 10000 | yes | of bare 0.9 |", "| b: slow | 0.5 | ≥ 0.9 | no |  |"]
    assert page.read_text().startswith("# Before\n\n")
    assert page.read_text().endswith("\n\nAfter.\n")


def test_a_suite_that_is_no_more_is_dropped(page: Path) -> None:
    published.publish("gone", [SLOW], ("gone",))
    published.publish("a", [FAST], ("a",))
    assert len(rows(page)) == 1


def test_figures_of_two_machines_are_told_apart(page: Path) -> None:
    published.publish("a", [FAST], ("a", "b"))
    records = json.loads(published.RECORDS.read_text())
    records["suites"]["a"]["machine"]["cpu"] = "Another"
    published.RECORDS.write_text(json.dumps(records))
    published.publish("b", [SLOW], ("a", "b"))
    taken = [line for line in page.read_text().splitlines() if line.startswith("Taken on ")]
    assert [line.rsplit(": ", 1)[1] for line in taken] == ["a.", "b."]


def test_a_suite_nobody_has_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["stream"])
    assert ended.value.code == 2
    assert "no suite 'stream'; one of startup," in capsys.readouterr().err


def test_what_is_published_is_what_the_table_shows() -> None:
    suites = json.loads(published.RECORDS.read_text())["suites"]
    assert published.table(suites) in published.TABLE.read_text()
    assert set(suites) <= set(bench.SUITES)
