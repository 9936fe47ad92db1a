"""Outputs that fail: disks that are full, folders that vanish, summaries that cannot be written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Done, Guests, lines, write_pipeline
from weft.core.errors import OutputError
from weft.core.frame import Frame
from weft.core.protocols import Sink
from weft.flow.graph import SinkNode, SourceNode
from weft.flow.pipeline import Pipeline
from weft.media.sinks.directory import DirectorySink
from weft.media.sinks.jsonl import JsonlSink
from weft.media.sources.pattern import PatternSource

Weft = Callable[..., Done]


def echo(guests: Guests) -> dict[str, Any]:
    return {"wasm": str(guests("echo"))}


@pytest.mark.parametrize("flush", ["frame", "close"])
def test_a_full_disk_ends_the_pipeline_with_the_cure(called: Weft, guests: Guests, tmp_path: Path, flush: str) -> None:
    words = [str(number) for number in range(1000)]
    document = write_pipeline(tmp_path, lines(tmp_path, *words), echo(guests), path="/dev/full", flush=flush)
    done = called("run", document, "--log-format", "text", "--summary", "summary.json")
    done.told(73, "error: /dev/full: cannot be written: No space left on device", "make room on the disk")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["ended"], summary["error"]["error"]) == ("error", "OutputError")


def test_a_limit_on_file_sizes_is_no_crash(shell: Weft, guests: Guests, tmp_path: Path) -> None:
    words = [f"a line of some length, number {number}" for number in range(2000)]
    document = write_pipeline(tmp_path, lines(tmp_path, *words), echo(guests))
    done = shell(f"ulimit -f 64; weft run {document} --log-format text")
    done.told(73, "out.jsonl: cannot be written: File too large", "cure: raise this user's limit on file sizes")
    written = (tmp_path / "out.jsonl").read_bytes()
    assert 0 < len(written) <= 64 * 1024
    assert all(json.loads(line) for line in written.splitlines()[:-1])


@pytest.mark.parametrize("limit", [1, 24])
def test_a_video_on_a_full_disk_is_told_and_never_gets_its_name(shell: Weft, tmp_path: Path, limit: int) -> None:
    document = tmp_path / "video.yaml"
    document.write_text(
        "sources: {in: {type: pattern, size: 320x240, frames: 150}}\n"
        "sinks: {out: {type: video, path: out.mp4, inputs: [in]}}\n"
    )
    done = shell(f"ulimit -f {limit}; weft run {document} --log-format text")
    done.told(73, "out.mp4: cannot be written", "cure:")
    assert not (tmp_path / "out.mp4").exists()


def test_a_summary_that_cannot_be_written_is_told_after_the_work_is_done(
    called: Weft, guests: Guests, tmp_path: Path
) -> None:
    document = write_pipeline(tmp_path, lines(tmp_path, "a", "b"), echo(guests))
    done = called("run", document, "--log-format", "text", "--summary", "/dev/full")
    done.told(73, "/dev/full: the summary cannot be written: No space left on device", "cure:")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


def test_a_summary_without_a_folder_is_told_before_the_work_begins(
    called: Weft, guests: Guests, tmp_path: Path
) -> None:
    document = write_pipeline(tmp_path, lines(tmp_path, "a"), echo(guests))
    for place in ("gone/summary.json", tmp_path, "in.txt/summary.json"):
        called("run", document, "--log-format", "text", "--summary", place).told(
            73, "cure: name a file for the summary"
        )
    assert not (tmp_path / "out.jsonl").exists()


def test_what_ended_the_pipeline_matters_more_than_its_summary(called: Weft, guests: Guests, tmp_path: Path) -> None:
    function = {"wasm": str(guests("faults")), "on_error": "fail"}
    document = write_pipeline(tmp_path, lines(tmp_path, "a", "divide"), function)
    done = called("run", document, "--log-format", "text", "--summary", "/dev/full")
    done.told(1, "and then: /dev/full: the summary cannot be written", "error: f: frame 1 of 'in' failed")


class Vanishing:
    """A sink whose folder is removed just before its twentieth frame."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink = sink
        self._folder = folder
        self.close = sink.close

    def write(self, frame: Frame) -> None:
        if frame.sequence == 20:
            shutil.rmtree(self._folder)
        self._sink.write(frame)


@pytest.mark.parametrize("make", [JsonlSink, DirectorySink], ids=lambda make: make.__name__)
def test_an_output_that_vanishes_while_it_is_written_is_told(tmp_path: Path, make: Callable[..., Sink]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "results" if make is JsonlSink else folder
    pipeline = Pipeline(
        sources=[SourceNode(name="in", open=lambda: PatternSource(size=(32, 32), frames=40))],
        sinks=[SinkNode(name="out", open=lambda: Vanishing(make(target), folder), inputs=("in",))],
    )
    error = pipeline.run(check=False).error
    assert isinstance(error, OutputError)
    assert str(folder) in error.where
    assert error.cure


def test_a_folder_that_turns_into_a_file_is_told(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path / "out")
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("now a file")
    with pytest.raises(OutputError, match="Not a directory") as raised:
        sink.write(Frame(b"x", stream="a"))
    assert "a part of it is a file" in raised.value.cure


@pytest.mark.parametrize("place", ["no/such/folder/out.jsonl", "in.txt/out.jsonl", "."])
def test_a_place_nobody_can_write_to_is_told_before_the_first_frame(
    called: Weft, guests: Guests, tmp_path: Path, place: str
) -> None:
    document = write_pipeline(tmp_path, lines(tmp_path, "a"), echo(guests), path=place)
    called("run", document, "--log-format", "text").told(73, "cannot be written", "cure:")
