"""Watching a pipeline: ``weft run --metrics``, ``--trace`` and ``weft top``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.conftest import ECHO, Cli
from tests.flow.collector import collecting, values

Wat = Callable[..., Path]

PIPELINE = """
name: belt
sources:
  cam: {type: pattern, realtime: true, fps: 100, size: 64x48}
functions:
  echo: {wasm: echo.wat, inputs: [cam]}
sinks:
  out: {type: jsonl, path: out.jsonl, inputs: [echo]}
"""


@pytest.fixture
def pipeline(wat: Wat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEFT_STATE", str(tmp_path / "state"))
    wat(ECHO, "echo.wat")
    path = tmp_path / "belt.yaml"
    path.write_text(PIPELINE)
    return path


@contextmanager
def running(pipeline: Path, *words: str) -> Iterator[str]:
    """The pipeline in a process of its own; the address of its metrics. It is stopped in the end."""
    command = [sys.executable, "-m", "weft", "run", str(pipeline), "--log-format", "json", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stderr is not None
        told = json.loads(process.stderr.readline())
        yield told["url"].removeprefix("http://").removesuffix("/metrics")
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert process.returncode == 143


def test_top_finds_a_pipeline_that_runs_and_tells_how_fast(pipeline: Path, weft: Cli):
    with running(pipeline, "--metrics", "127.0.0.1:0") as address:
        out = pipeline.with_name("out.jsonl")
        while not (out.is_file() and out.stat().st_size):
            pass
        (place,) = json.loads(weft("top", "--once", "--json", "--interval", "300ms").out)
        text = weft("top", "--once", "--interval", "10ms", "--connect", address).out
        with urlopen(f"http://{address}/healthz") as response:
            assert json.load(response)["status"] == "ok"
    assert (place["address"], place["pipelines"]) == (address, {"belt": {"running": True}})
    stages = {stage["stage"]: stage for stage in place["stages"]}
    assert list(stages) == ["cam", "echo", "out"]
    assert stages["echo"]["frames_per_s"] > 0
    assert stages["echo"]["p50_ms"] > 0
    assert "belt: running" in text
    assert "echo   function" in text
    done = weft("top", "--once")
    assert done.code == 66
    assert "no pipeline on this machine serves metrics" in done.err
    assert "--metrics 127.0.0.1:9464" in done.err


def test_no_port_is_opened_unasked(pipeline: Path, weft: Cli, tmp_path: Path):
    short = PIPELINE.replace("realtime: true, fps: 100", "frames: 3")
    pipeline.write_text(short)
    assert weft("run", pipeline, "--quiet").code == 0
    assert not (tmp_path / "state" / "running").exists()


def test_frames_are_traced_to_a_collector(pipeline: Path, weft: Cli):
    pipeline.write_text(PIPELINE.replace("realtime: true, fps: 100", "frames: 3"))
    with collecting() as collector:
        assert weft("run", pipeline, "--quiet", "--trace", f"otlp={collector.url}").code == 0
    assert sorted(values(span)["weft.sequence"] for span in collector.named("echo")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--metrics", "9464"], 64, "'9464' is no address"),
        (["--metrics", "203.0.113.1:9464"], 69, "203.0.113.1:9464: cannot listen there"),
        (["--trace", "zipkin"], 64, "traces go out as otlp"),
        (["--trace-ratio", "0.1"], 64, "nothing is traced"),
    ],
)
def test_wrong_options_are_told_before_anything_runs(pipeline: Path, weft: Cli, words: list[str], code: int, told: str):
    done = weft("run", pipeline, "--log-format", "text", *words)
    assert (done.code, told in done.err) == (code, True), done.err
    assert not pipeline.with_name("out.jsonl").exists()


@pytest.mark.parametrize("option", ["--metrics", "--trace", "--trace-ratio"])
def test_a_single_function_has_none_of_this(weft: Cli, wat: Wat, option: str):
    done = weft("run", wat(ECHO), option, "0.5")
    assert done.code == 64
    assert f"{option}: only a pipeline has that" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "standard output is no terminal"),
        (["--json"], "a table that lives is no JSON"),
        (["--once", "--interval", "0s"], "--interval 0s"),
        (["--once", "--interval", "1e9"], "is no duration"),
        (["--once", "--connect", "edge"], "'edge' is no address"),
    ],
)
def test_what_top_cannot_do_is_told(weft: Cli, words: list[str], told: str):
    done = weft("top", *words)
    assert done.code == 64
    assert told in (done.out if "--json" in words else done.err)


def test_an_address_where_nobody_answers_is_told(weft: Cli):
    done = weft("top", "--once", "--interval", "10ms", "--connect", "127.0.0.1:1")
    assert done.code == 66
    assert "does it still run, and with --metrics at this address?" in done.err
