"""The demo end to end: a belt is drawn, a compiled function reads it in the sandbox, the score is right."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from conveyor import belt, demo, evaluate, measure
from conveyor.measure import HERE, frames_of

from weft.cli.main import main
from weft.core import resources
from weft.core.errors import OutputError, WeftError
from weft.flow.pipeline import Pipeline
from weft.spec.pipeline import load_pipeline


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory, told):
    return demo.run(tmp_path_factory.mktemp("demo"), 900_600, 2.0, lambda *at: told.append(at))


def test_every_frame_is_handled_and_nothing_fails(made):
    stage = made.summary.stage("detect")
    assert (stage.frames_in, stage.frames_out, stage.failed, stage.dropped) == (50, 50, 0, 0)
    assert made.summary.ended == "end"


def test_the_function_finds_the_parts(made):
    assert len(made.report.parts) > 8
    assert made.report.boxes.precision >= 0.9
    assert made.report.boxes.recall >= 0.9
    assert json.loads((made.folder / "score.json").read_text()) == made.report.record()


def test_the_sandbox_says_what_the_engine_called_directly_says(made):
    """The same boxes but for the resize, which Weft does in YUV and Pillow in RGB."""
    detector = measure.Detector()
    direct = {number: detector.find(frame) for number, frame in enumerate(frames_of(made.folder / "belt.mp4"))}
    sandboxed = evaluate.read_results(made.results)
    for number, boxes in direct.items():
        for box in (item for item in boxes if item.score > 0.7):
            best = max((evaluate.overlap(box.box, other.box), other.label) for other in sandboxed[number])
            assert best[0] > 0.8
    counts = [sum(map(len, results.values())) for results in (direct, sandboxed)]
    assert counts[0] == pytest.approx(counts[1], rel=0.05)


def test_the_annotated_video_shows_boxes_on_the_frames_they_belong_to(made):
    plain, drawn = (list(frames_of(path)) for path in (made.folder / "belt.mp4", made.annotated))
    assert len(plain) == len(drawn) == 50
    assert np.abs(plain[25].astype(int) - drawn[25].astype(int)).max() > 100


def test_progress_is_told_for_both_steps(told, made):
    assert ("draw", 50, 50) in told
    assert told[-1] == ("detect", 50, 50)
    assert made.drawn_s > 0


def test_the_folder_is_an_example_of_its_own(made, tmp_path):
    again = tmp_path / "copy"
    shutil.copytree(made.folder, again)
    (again / "results.jsonl").unlink()
    Pipeline.load(again / "pipeline.yaml").run()
    truth = belt.read_truth(again / "truth.jsonl")
    assert evaluate.score(evaluate.read_results(again / "results.jsonl"), truth).record() == made.report.record()


def test_the_same_function_runs_on_the_tflite_file(made, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="the litert extra is not installed")
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    shutil.copy(HERE / "detector.tflite", tmp_path)
    document = tmp_path / "pipeline.yaml"
    document.write_text(document.read_text().replace("detector.onnx", "detector.tflite"))
    Pipeline.load(document).run()
    report = evaluate.score(
        evaluate.read_results(tmp_path / "results.jsonl"), belt.read_truth(tmp_path / "truth.jsonl")
    )
    assert report.boxes == made.report.boxes


def test_the_pipeline_document_has_no_mistakes():
    spec = load_pipeline(HERE / "pipeline.yaml", check_files=False)
    assert spec.function_inputs("detect") == ("belt",)
    assert spec.warnings == ()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be laid out") as caught:
        demo.run(tmp_path / "file" / "demo", seconds=1)
    assert caught.value.cure


@pytest.mark.parametrize(
    ("line", "changed", "words"),
    [
        ("threshold:", 'threshold: "much"', "config 'threshold' must be a number from 0 to 1"),
        ("labels:", "labels: bolt,nut", "scores do not match config 'labels'"),
        ("models:", "models: {other: detector.onnx}", "model 'net' does not load"),
    ],
)
def test_a_mistake_in_the_config_is_said_plainly(made, tmp_path, caplog, line, changed, words):
    document = (made.folder / "pipeline.yaml").read_text().splitlines()
    number = next(i for i, text in enumerate(document) if text.strip().startswith(line))
    document[number] = document[number].split(line)[0] + changed
    for name in ("belt.mp4", "detector.onnx", "detect.wasm"):
        (tmp_path / name).symlink_to(made.folder / name)
    (tmp_path / "pipeline.yaml").write_text("\n".join(document))
    try:
        summary = Pipeline.load(tmp_path / "pipeline.yaml").run()
        said = json.dumps(summary.to_dict())
    except WeftError as error:
        said = str(error)
    assert words in said + caplog.text


def test_a_demo_replaces_one_as_it_was_left_and_says_so(tmp_path, capfd):
    command = ["demo", "-o", str(tmp_path / "demo"), "--duration", "1s"]
    assert main(command) == 0
    assert "replaced" not in capfd.readouterr().out
    (tmp_path / "demo" / "score.json").write_text("what a demo made may be replaced")
    (tmp_path / "demo" / "notes.txt").write_text("mine")
    assert main(command) == 0
    assert capfd.readouterr().out.startswith(f"replaced the demo that was in {tmp_path / 'demo'}\n")
    assert (tmp_path / "demo" / "notes.txt").read_text() == "mine"
    assert json.loads((tmp_path / "demo" / "score.json").read_text())["found"] >= 0


@pytest.mark.parametrize("name", ["pipeline.yaml", "detector.onnx", "detect.wasm"])
def test_what_was_changed_is_not_replaced(tmp_path, name):
    guest = resources.guest("detect")
    assert [demo.lay_out(tmp_path, guest), demo.lay_out(tmp_path, guest)] == [False, True]
    (tmp_path / name).write_text("changed")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=f"{name} there is not as a demo left it") as raised:
        demo.lay_out(tmp_path, guest)
    assert f"weft demo -o {tmp_path}-2" in raised.value.cure
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_demo_of_another_version_of_weft_is_replaced(tmp_path):
    older = tmp_path / "older.wasm"
    older.write_bytes(b"as it was once")
    assert [demo.lay_out(tmp_path / "d", older), demo.lay_out(tmp_path / "d", resources.guest("detect"))] == [
        False,
        True,
    ]


@pytest.mark.parametrize("name", ["belt.mp4", "results.jsonl", "pipeline.yaml"])
def test_files_that_no_demo_made_are_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=name):
        demo.run(tmp_path, seconds=1)
    assert [path.name for path in tmp_path.iterdir()] == [name]
