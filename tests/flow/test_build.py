"""Documents that become pipelines and run: real sources, a real guest, real sinks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.actors import PATIENCE_S
from weft.core.errors import DocumentError, GuestFailed, ModuleError, OutputError
from weft.core.once import Once
from weft.flow.build import build
from weft.flow.pipeline import Pipeline
from weft.flow.summary import Summary
from weft.spec.pipeline import load_pipeline, parse_pipeline

# Emits {} for each frame; says no to frame 3, traps on frame 5, and says no at the start where that is configured.
GUEST = """
(module
  (import "weft" "emit" (func $emit (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "weft" "frame_sequence" (func $sequence (result i64)))
  (import "weft" "config_get" (func $config (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "application/json")
  (data (i32.const 32) "{}")
  (data (i32.const 48) "refuse")
  (func (export "weft_init") (result i32)
    (i32.gt_s (call $config (i32.const 48) (i32.const 6) (i32.const 64) (i32.const 64)) (i32.const 0)))
  (func (export "weft_handle") (result i32)
    (if (i64.eq (call $sequence) (i64.const 3)) (then (return (i32.const 1))))
    (if (i64.eq (call $sequence) (i64.const 5)) (then unreachable))
    (call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 32) (i32.const 2))))
"""

DOCUMENT = """
name: test
sources:
  belt: {type: pattern, size: 64x48, frames: 20, stream: cam/belt}
functions:
  detect:
    wasm: guest.wat
    inputs: ["cam/*"]
    outputs: [parts]
    replicas: 3
    queue: {size: 2}
    on_error: {retry: 1, then: {stream: errors}}
sinks:
  annotated: {type: video, path: out.mp4, inputs: [cam/belt, parts]}
  results: {type: jsonl, path: results.jsonl, inputs: [parts, errors]}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts a document and the guest into a folder."""

    def put(text: str) -> Path:
        (tmp_path / "guest.wat").write_text(GUEST)
        path = tmp_path / "pipeline.yaml"
        path.write_text(text)
        return path

    return put


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_a_document_runs_a_sandboxed_function_over_a_source_into_sinks(write: Write, tmp_path: Path) -> None:
    summary = Pipeline.load(write(DOCUMENT)).run()
    assert (summary.ended, summary.name) == ("end", "test")
    written = lines(tmp_path)
    assert [line["sequence"] for line in written if line["stream"] == "parts"] == [
        n for n in range(20) if n not in (3, 5)
    ]
    failures = [line["payload"] for line in written if line["stream"] == "errors"]
    assert [(record["error"], record["sequence"], record["stream"]) for record in failures] == [
        ("GuestFailed", 3, "cam/belt"),
        ("GuestTrap", 5, "cam/belt"),
    ]
    stage = summary.stage("detect")
    assert (stage.frames_in, stage.failed, stage.retried, stage.replicas, stage.queue.size) == (20, 2, 2, 3, 2)
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def test_every_picture_of_the_video_sink_waits_for_its_result(write: Write) -> None:
    summary = Pipeline.load(write(DOCUMENT)).run()
    counters = summary.stage("annotated").counters
    assert (counters["joined"], counters["bare"], counters["hurried"], counters["late"]) == (18, 2, 0, 0)


def test_a_file_that_is_no_module_ends_the_pipeline_before_any_output(write: Write, tmp_path: Path) -> None:
    path = write(DOCUMENT)
    (tmp_path / "guest.wat").write_bytes(b"GIF89a")
    with pytest.raises(ModuleError):
        Pipeline.load(path).run()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["guest.wat", "pipeline.yaml"]


def test_a_guest_that_refuses_to_start_ends_the_pipeline(write: Write, tmp_path: Path) -> None:
    path = write(DOCUMENT.replace("replicas: 3", "config: {refuse: yes}"))
    with pytest.raises(GuestFailed):
        Pipeline.load(path).run()
    assert not (tmp_path / "results.jsonl").exists()


def test_an_output_that_cannot_be_written_ends_the_pipeline(write: Write) -> None:
    path = write(DOCUMENT.replace("path: results.jsonl", "path: nowhere/results.jsonl"))
    with pytest.raises(OutputError):
        Pipeline.load(path).run()


def test_all_mistakes_of_a_document_are_reported_when_it_is_loaded(write: Write) -> None:
    wrong = (
        DOCUMENT.replace("size: 64x48", "size: big").replace("guest.wat", "ghost.wat").replace("parts, errors", "part")
    )
    with pytest.raises(DocumentError) as caught:
        Pipeline.load(write(wrong))
    assert [problem.path for problem in caught.value.problems] == [
        "sources.belt.size",
        "functions.detect.wasm",
        "sinks.results.inputs[0]",
    ]


def test_a_live_source_gets_a_queue_that_drops_and_a_file_none() -> None:
    text = """
sources:
  clock: {type: pattern, realtime: true, frames: 3, fps: 1000}
  slow: {type: pattern, realtime: true, queue: {size: 9, overflow: block}}
  cam: {type: camera, queue: {size: 2, overflow: drop_newest}}
  file: {type: pattern}
"""
    sources = build(parse_pipeline(text)).graph.sources
    assert [(node.name, node.queue_size, node.overflow) for node in sources] == [
        ("clock", 4, "drop_oldest"),
        ("slow", 9, "block"),
        ("cam", 2, "drop_newest"),
        ("file", 0, "block"),
    ]


def test_a_live_pattern_counts_every_frame_it_read(tmp_path: Path) -> None:
    text = """
sources: {clock: {type: pattern, realtime: true, frames: 30, fps: 1000, size: 16x16}}
sinks: {out: {type: jsonl, path: results.jsonl, inputs: [clock]}}
"""
    summary: Summary = build(parse_pipeline(text, folder=tmp_path)).run()
    clock = summary.stage("clock")
    assert clock.frames_in == 30
    assert clock.frames_out + clock.dropped == 30
    assert len(lines(tmp_path)) == clock.frames_out


def test_a_video_sink_without_the_pictures_of_a_source_is_told_no_results(write: Write) -> None:
    spec = load_pipeline(write(DOCUMENT.replace("[cam/belt, parts]", "[parts]")))
    assert build(spec).graph.sinks[0].name == "annotated"
    from weft.flow.sink_nodes import joining_options

    assert joining_options(spec, "annotated")["results"] == []
    assert joining_options(load_pipeline(write(DOCUMENT)), "annotated")["results"] == ["parts"]


def test_what_replicas_share_is_made_once() -> None:
    made: list[int] = []
    begun = threading.Barrier(4)

    def make() -> object:
        made.append(1)
        return object()

    once = Once(make)
    got: list[object] = []

    def ask() -> None:
        begun.wait(PATIENCE_S)
        got.append(once())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert made == [1]
    assert len(set(map(id, got))) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    tries = iter([ModuleError("broken"), None])

    def make() -> str:
        if (error := next(tries)) is not None:
            raise error
        return "made"

    once = Once(make)
    with pytest.raises(ModuleError):
        once()
    assert once() == "made"
