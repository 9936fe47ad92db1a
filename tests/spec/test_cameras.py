"""Cameras in documents: what goes together, what does not, and nothing secret in what is said of them."""

from __future__ import annotations

import pytest

from weft.core.errors import DocumentError, Problem
from weft.spec.endpoints import CameraSource
from weft.spec.pipeline import PipelineSpec, parse_pipeline

SECRET = "rtsp://me:secret@host/x?token=hush"


def spec_of(camera: str) -> PipelineSpec:
    return parse_pipeline(f"sources:\n  s: {{type: camera, {camera}}}\nsinks: {{o: {{type: console, inputs: [s]}}}}\n")


def problem_of(camera: str) -> Problem:
    with pytest.raises(DocumentError) as caught:
        spec_of(camera)
    (problem,) = caught.value.problems
    assert "secret" not in str(caught.value)
    assert "hush" not in str(caught.value)
    return problem


def test_a_camera_is_read_with_everything_it_may_say():
    retry = "retry: {first: 100ms, most: 1min, jitter: 0.5, attempts: 7}"
    camera = spec_of(f"device: '{SECRET}', transport: udp, start: 20s, stall: 2s, {retry}").sources["s"]
    assert isinstance(camera, CameraSource)
    assert (camera.device, camera.transport, camera.start, camera.stall) == (SECRET, "udp", 20, 2)
    assert camera.retry.model_dump() == {"first": 0.1, "most": 60, "jitter": 0.5, "attempts": 7}


def test_the_address_stands_in_no_repr():
    spec = spec_of(f"device: '{SECRET}'")
    assert "secret" not in repr(spec) + str(spec) + repr(spec.sources)


@pytest.mark.parametrize(
    ("camera", "path", "message", "cure"),
    [
        ("device: 'ftp://me:secret@host/x'", "sources.s.device", "no camera speaks 'ftp'", "one of rtsp, "),
        (f"device: '{SECRET}', fps: 5", "sources.s", "has `size` or `fps`", "set them in the camera"),
        ("device: belt.mp4, size: 8x8", "sources.s", "has `size` or `fps`", "set them in the camera"),
        (f"device: '{SECRET}', loop: true", "sources.s", "has `loop`, which is for files alone", "leave it out"),
        ("transport: tcp", "sources.s", "has `transport`, which is for rtsp:// alone", "leave it out"),
        (f"device: '{SECRET}', transport: tpc", "sources.s.transport", "'tpc'", "did you mean 'tcp'?"),
        (f"url: '{SECRET}'", "sources.s.url", "is no key here", "one of "),
        (f"stall: '{SECRET}'", "sources.s.stall", "is no duration", ""),
        (f"fps: '{SECRET}'", "sources.s.fps", "must be a number", ""),
        ("stall: 0", "sources.s.stall", "must be more than nothing", ""),
        ("retry: {first: 2s, most: 1s}", "sources.s.retry", "begins with a wait longer than `most`", "make `first`"),
        ("retry: {attempts: -1}", "sources.s.retry.attempts", "must be at least 0", ""),
    ],
)
def test_what_does_not_go_together_is_said_plainly(camera: str, path: str, message: str, cure: str):
    problem = problem_of(camera)
    assert problem.path == path
    assert message in problem.message
    assert cure in problem.cure
    assert problem.line == 2


def test_no_sink_writes_over_the_file_a_camera_plays(tmp_path):
    (tmp_path / "belt.mp4").write_bytes(b"")
    text = "sources: {s: {type: camera, device: belt.mp4}}\nsinks: {o: {type: video, path: belt.mp4, inputs: [s]}}"
    with pytest.raises(DocumentError, match=r"would write over 'belt\.mp4', which is read by 's'"):
        parse_pipeline(text, folder=tmp_path, check_files=True)
