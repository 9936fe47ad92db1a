"""The page about metrics and traces: its example runs, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import weft
from weft.cli.top import HEADINGS
from weft.flow import http_get, span_sender
from weft.flow.metric import METRICS
from weft.flow.tracing import INSTALL

PAGE = (Path(__file__).parents[1] / "docs" / "observability.md").read_text()
PIPELINE = """
name: lines
sources:
  lines: {type: pattern, frames: 3, size: 32x32}
sinks:
  out: {type: jsonl, path: out.jsonl, inputs: [lines]}
"""


def test_the_python_on_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    Path("pipeline.yaml").write_text(PIPELINE)
    exec(compile(example, "observability.md", "exec"), {"weft": weft})
    assert 'weft_stage_frames_out_total{kind="sink",pipeline="lines",stage="out"} 3.0' in capsys.readouterr().out


def test_every_metric_named_on_the_page_is_there_and_all_are_named():
    named = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bweft_[a-z_]+", PAGE)}
    assert named == {one.name for one in METRICS}


def test_the_table_on_the_page_has_the_columns_of_weft_top():
    [headings] = re.findall(r"^stage .*$", PAGE, re.MULTILINE)
    assert tuple(headings.split()) == HEADINGS


def test_the_numbers_on_the_page_are_those_of_the_code():
    assert INSTALL in PAGE
    assert f"Up to {span_sender.QUEUE} spans" in PAGE
    assert f"serves {http_get.MAX_CLIENTS} clients at a time" in PAGE
    assert f"requests of {http_get.MAX_REQUEST // 1024} KiB" in PAGE
    assert (http_get.PATIENCE_S, span_sender.CLOSING_S) == (5.0, 3.0)
