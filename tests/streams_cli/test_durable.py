"""Durable streams as a user types them: what was sent is there after crashes, and who comes back goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import ECHO
from tests.streams_cli.conftest import WAIT_S, Site, Weft

LINES = 300
PATTERN = ("source", "pattern", "--realtime", "--size", "32x24", "--fps", 20)


def numbers(folder: Path, count: int = LINES) -> Path:
    path = folder / "numbers"
    path.write_text("".join(f"{number}\n" for number in range(count)))
    return path


def lines_of(out: str) -> list[tuple[int, bool]]:
    """Each line's number, and whether it is marked. Pictures are left out, and a line that was cut off."""
    frames = [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith("\n")]
    texts = [found for found in frames if found.get("payload", "").strip().isdigit()]
    return [(int(found["payload"]), "again" in found.get("headers", {})) for found in texts]


def test_what_nobody_took_is_there_when_somebody_comes(site: Site, start: Weft, tmp_path: Path) -> None:
    durable = ("--stream", "orders", "--delivery", "durable", "--spool", tmp_path / "spool")
    site.run("source", "lines", numbers(tmp_path), *durable)
    source = start(*PATTERN, *durable)  # goes on with the same spool
    out, _ = site.run("watch", "orders", "--as", "archive", "--from-start", "--json", "--count", 100)
    assert lines_of(out) == [(number, False) for number in range(100)]
    source.kill()
    start(*PATTERN, *durable)
    out, _ = site.run("watch", "orders", "--as", "archive", "--json", "--count", 210)
    assert lines_of(out) == [(number, False) for number in range(100, LINES)]
    out, _ = site.run("streams", "--json")
    assert [row["delivery"] for row in json.loads(out) if row["name"] == "orders"] == ["durable"]


PIPELINE = """
sources:
  jobs: {{type: stream, pattern: jobs, as: worker, from_start: true, queue: {{size: 16}}}}
functions:
  echo: {{wasm: echo.wat, inputs: [jobs], outputs: [done]}}
sinks:
  done: {{type: jsonl, path: {name}.jsonl, inputs: [done]}}
"""


def test_a_pipeline_that_is_killed_goes_on_with_what_it_had_not_done(site: Site, start: Weft, tmp_path: Path) -> None:
    (tmp_path / "echo.wat").write_text(ECHO)
    for name in ("first", "second"):
        (tmp_path / f"{name}.yaml").write_text(PIPELINE.format(name=name))
    durable = ("--stream", "jobs", "--delivery", "durable", "--spool", tmp_path / "spool")
    site.run("source", "lines", numbers(tmp_path, 3000), *durable)
    first = start("run", tmp_path / "first.yaml", "--connect", site.endpoint)
    source = start(*PATTERN, *durable)
    done(tmp_path / "first.jsonl", first, lambda lines: len(lines) >= 20)
    first.send_signal(signal.SIGKILL)
    first.wait(WAIT_S)
    before = lines_of((tmp_path / "first.jsonl").read_text())
    start("run", tmp_path / "second.yaml", "--connect", site.endpoint)
    all_of = set(range(3000)) - {number for number, _ in before}
    after = done(tmp_path / "second.jsonl", source, lambda lines: all_of <= {number for number, _ in lines})
    twice = {number for number, _ in before} & {number for number, _ in after}
    assert twice <= {number for number, again in after if again}


def done(
    path: Path, alive: subprocess.Popen[str], enough: Callable[[list[tuple[int, bool]]], bool]
) -> list[tuple[int, bool]]:
    """The lines of a file, once there are enough of them."""
    deadline = time.monotonic() + WAIT_S
    while not enough(lines := lines_of(path.read_text() if path.exists() else "")):
        assert alive.poll() is None, alive.communicate()
        assert time.monotonic() < deadline, len(lines)
        time.sleep(0.02)
    return lines


def test_the_options_of_a_spool_need_a_durable_stream(site: Site, tmp_path: Path) -> None:
    _, err = site.run("source", "lines", numbers(tmp_path), "--stream", "x", "--spool", tmp_path, code=64)
    assert "add --delivery durable" in err
    _, err = site.run("watch", "x", "--from-start", code=64)
    assert "add --as NAME" in err


def test_a_full_spool_ends_the_source_with_its_reason(site: Site, tmp_path: Path) -> None:
    small = ("--spool", tmp_path / "spool", "--spool-size", "4KiB", "--spool-full", "refuse")
    _, err = site.run(
        "source", "lines", numbers(tmp_path), "--stream", "small", "--delivery", "durable", *small, code=73
    )
    assert "is full" in err
    assert "--spool-size" in err


def test_one_source_at_a_time_uses_a_spool(site: Site, start: Weft, tmp_path: Path) -> None:
    durable = ("--stream", "one", "--delivery", "durable", "--spool", tmp_path / "spool")
    start(*PATTERN, *durable)
    site.run("watch", "one", "--count", 1)
    _, err = site.run("source", "lines", numbers(tmp_path), *durable, code=69)
    assert "another process uses this spool" in err


def test_a_broken_spool_is_told_and_set_aside(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "weft+site+broken.db").write_bytes(b"Dear Sir" * 2000)
    durable = ("--stream", "broken", "--delivery", "durable", "--spool", folder)
    _, err = site.run("source", "lines", numbers(tmp_path), *durable)
    assert "a new one is begun" in err
    assert len(list(folder.glob("*.broken-*"))) == 1
