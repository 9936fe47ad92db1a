"""Pipelines whose cameras come late, die and come back."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.media.cameras.conftest import MakeRtsp, gstreamer, rtsp
from tests.media.cameras.serving import PATIENCE_S, free_port, jpeg, mjpeg_camera
from tests.media.making import write_video
from weft.cli.progress import JsonProgress, troubled
from weft.core.errors import UnavailableError
from weft.flow import metric
from weft.flow.executor import Run
from weft.flow.metrics import Metrics
from weft.flow.pipeline import Pipeline
from weft.flow.summary import StageSummary
from weft.flow.validate import validate_pipeline

__all__ = ["gstreamer", "rtsp"]  # fixtures

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a pipeline with one camera, whose frames go to a file."""

    def document(camera: str) -> Path:
        path = tmp_path / "pipeline.yaml"
        sink = "out: {type: jsonl, path: out.jsonl, inputs: [cam]}"
        path.write_text(f"sources:\n  cam: {{type: camera, {camera}}}\nsinks:\n  {sink}\n")
        return path

    return document


def always(_: int, over: threading.Event) -> Iterator[bytes]:
    picture = jpeg(1)
    while not over.is_set():
        yield picture


def until(run: Run, match: Callable[[StageSummary], bool]) -> StageSummary:
    """The camera's numbers as soon as they fit; the pipeline must not end before."""
    for _ in range(int(PATIENCE_S / 0.01)):
        found = run.snapshot().stage("cam")
        if match(found):
            return found
        assert not run.wait(0.01), run.snapshot().error
    raise AssertionError(f"still {found}")


def stopped(run: Run) -> StageSummary:
    run.stop()
    assert run.wait(PATIENCE_S)
    return run.snapshot().check().stage("cam")


def test_a_pipeline_whose_camera_is_not_there_goes_on_trying(write: Write) -> None:
    path = write("device: 97, retry: {first: 10ms, most: 20ms}")
    with Pipeline.load(path).start() as run:
        waiting = until(run, lambda cam: cam.counters.get("failures", 0) > 2 and cam.state == "backing off")
        assert (waiting.trouble, waiting.frames_out) == ("no such camera", 0)
        ended = stopped(run)
    assert (ended.state, ended.trouble) == ("ended", "no such camera")
    assert ended.to_dict()["trouble"] == "no such camera"


def test_metrics_tell_whether_a_camera_is_live(write: Write) -> None:
    metrics = Metrics()
    with mjpeg_camera(always) as url:
        for device, live in ((url, 1.0), ("97", 0.0)):
            with Pipeline.load(write(f"device: '{device}'")).start(metrics=metrics) as run:
                until(run, lambda cam, live=live: bool(cam.trouble) if not live else cam.state == "live")
                told = {sample.labels[1]: sample.value for sample in metrics.samples() if sample.metric is metric.LIVE}
                stopped(run)
            assert told == {"cam": live}


def test_bounded_attempts_end_the_pipeline_with_the_cameras_trouble(write: Write) -> None:
    path = write(f"device: 'http://me:secret@127.0.0.1:{free_port()}/x', retry: {{first: 10ms, attempts: 1}}")
    summary = Pipeline.load(path).run(check=False)
    assert isinstance(summary.error, UnavailableError)
    assert summary.ended == "error"
    assert summary.stage("cam").counters["failures"] == 2
    assert "secret" not in json.dumps(summary.to_dict())


def test_a_decoder_that_dies_does_not_end_the_pipeline(write: Write) -> None:
    with mjpeg_camera(always) as url, Pipeline.load(write(f"device: '{url}', retry: {{first: 10ms}}")).start() as run:
        until(run, lambda cam: cam.frames_out > 3 and cam.state == "live")
        source = run.stages[0].threads[0].source  # type: ignore[attr-defined]  # a camera's, and no other
        os.kill(source.decoder, signal.SIGKILL)
        until(run, lambda cam: cam.counters["reconnects"] == 1 and cam.state == "live" and not cam.trouble)
        ended = stopped(run)
    assert ended.counters["crashes"] == 1
    lines = [json.loads(line) for line in (write("").parent / "out.jsonl").read_text().splitlines()]
    sequences = [line["sequence"] for line in lines]
    assert sequences == sorted(set(sequences))
    assert lines[-1]["headers"]["reconnects"] == "1"
    assert "secret" not in json.dumps(ended.to_dict())


@pytest.mark.data
def test_an_rtsp_camera_that_comes_late_dies_and_returns(write: Write, rtsp: MakeRtsp) -> None:
    server = rtsp(port=free_port())
    with Pipeline.load(write(f"device: '{server.url()}', retry: {{first: 20ms, most: 200ms}}")).start() as run:
        until(run, lambda cam: cam.state == "backing off" and "refused" in cam.trouble)
        server.start()
        until(run, lambda cam: cam.state == "live" and cam.frames_out > 5)
        server.kill()
        until(run, lambda cam: cam.state in {"connecting", "backing off"} and bool(cam.trouble))
        server.start()
        until(run, lambda cam: cam.state == "live" and cam.counters["reconnects"] == 1)
        ended = stopped(run)
    assert ended.frames_out > 5
    assert ended.counters["crashes"] == 0


def test_a_file_is_found_beside_its_document(write: Write, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", count=5, fps=50)
    summary = Pipeline.load(write("device: v.mp4, limit: 3, loop: true")).run()
    assert summary.stage("cam").frames_in == 3


def test_progress_tells_how_a_camera_is(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    show = JsonProgress()
    show._last -= 10
    with Pipeline.load(write("device: 97, retry: {first: 10s}")).start() as run:
        until(run, lambda cam: cam.state == "backing off")
        show(run.snapshot())
        assert troubled(run.snapshot()) == ["cam: backing off: no such camera"]
        stopped(run)
    told = json.loads(capsys.readouterr().err)["stages"]["cam"]
    assert (told["state"], told["trouble"]) == ("backing off", "no such camera")


@pytest.mark.parametrize(
    ("device", "warning"),
    [
        ("97", "there is no '/dev/video97' now"),
        ("later.mp4", "there is no 'later.mp4' now"),
        ("v.mp4", ""),
        ("rtsp://me:secret@127.0.0.1:9/x", ""),
    ],
)
def test_validate_warns_of_a_camera_that_is_not_there_without_asking_the_network(
    write: Write, tmp_path: Path, device: str, warning: str
) -> None:
    (tmp_path / "v.mp4").write_bytes(b"")
    warnings = validate_pipeline(write(f"device: '{device}'")).warnings
    assert [problem.message for problem in warnings] == ([warning] if warning else [])
    assert all(problem.cure and problem.path == "sources.cam.device" and problem.line == 2 for problem in warnings)
