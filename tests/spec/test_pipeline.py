from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import get_args

import pytest

from weft.core import limits as core
from weft.core.errors import DocumentError
from weft.core.model import ModelOptions
from weft.spec.endpoints import CameraSource, JsonLinesSink, LinesSource, PatternSource, VideoSource
from weft.spec.function import Abi, Limits, ModelUse, OnError
from weft.spec.pipeline import parse_pipeline, pipeline_from
from weft.wasm.abi import abis

from .conftest import CONVEYOR

EVERYTHING = """
name: everything
description: All there is.
sources:
  belt: {type: video, path: belt.mp4, loop: true, limit: 10, encoding: raw}
  front: {type: camera, stream: cam/front, device: 0, size: 640x480, fps: 25, queue: {size: 2}}
  folder: {type: pictures, path: pictures, limit: 3}
  bars: {type: pattern, size: 320x240, fps: 10, frames: 100, realtime: true}
  text: {type: lines, path: "-"}
functions:
  detect:
    wasm: detect.wasm
    abi: reactor
    inputs: [belt, cam/*]
    outputs: [parts, debug]
    models:
      net: detector.onnx
      big: {path: big.tflite, engine: litert, device: cpu, precision: f32, threads: 2, layout: nhwc, outputs: [mid]}
    grants: {dirs: ["data:/data:ro", "/tmp"], env: {A: b, N: 1}, allow: [nn.load]}
    limits: {memory: 64MiB, time: 200ms, start: 1min, stdout: 1MiB, output: 16MiB, emits: 64, handles: 8, logs: 0}
    config: {threshold: 0.5, verbose: true, name: x}
    args: [--size, 3]
    instance: fresh
    replicas: 2
    queue: {size: 16, overflow: block}
    on_error: {retry: 2, then: {stream: errors}}
sinks:
  screen: {type: console, inputs: ["**"]}
  results: {type: jsonl, path: results.jsonl, inputs: [parts, errors], queue: {size: 100}}
  video: {type: video, path: out.mp4, fps: 12.5, inputs: [belt, parts]}
  files: {type: directory, path: out, inputs: [folder, text, bars, debug]}
"""


def test_a_small_document_is_read_with_its_defaults():
    spec = parse_pipeline(CONVEYOR)
    detect = spec.functions["detect"]
    assert spec.sources["belt"] == VideoSource(type="video", path="belt.mp4")
    assert spec.sinks["results"] == JsonLinesSink(type="jsonl", path="results.jsonl", inputs=("parts",))
    assert detect.models["net"].options() == ModelOptions()
    assert detect.limits.limits() == core.Limits()
    assert detect.grants.grants(Path()) == core.Grants()
    assert (detect.abi, detect.instance, detect.replicas) == ("auto", "reuse", 1)
    assert (detect.queue.size, detect.queue.overflow) == (8, "block")
    assert (detect.on_error.retry, detect.on_error.action) == (0, "skip")


def test_a_document_that_says_everything_is_read():
    spec = parse_pipeline(EVERYTHING, folder=Path("/srv"))
    detect = spec.functions["detect"]
    assert detect.limits.limits() == core.Limits(64 << 20, 0.2, 60.0, 1 << 20, 16 << 20, 64, 8, 0)
    assert detect.models["big"].options() == ModelOptions("litert", "cpu", "f32", 2, "nhwc", ("mid",))
    assert detect.config == {"threshold": "0.5", "verbose": "true", "name": "x"}
    assert detect.args == ("--size", "3")
    assert (detect.on_error.retry, detect.on_error.action, detect.on_error.target) == (2, "stream", "errors")
    assert spec.function_inputs("detect") == ("belt", "cam/front")
    assert not spec.warnings
    front = spec.sources["front"]
    assert isinstance(front, CameraSource)
    assert (front.device, front.size, front.queue.size, front.queue.overflow) == ("0", (640, 480), 2, "drop_oldest")
    assert isinstance(spec.sources["bars"], PatternSource)
    assert isinstance(spec.sources["text"], LinesSource)


def test_grants_are_those_of_the_sandbox_relative_to_the_document():
    grants = parse_pipeline(EVERYTHING).functions["detect"].grants.grants(Path("/srv"))
    assert grants.dirs == (
        core.DirGrant(Path("/srv/data"), "/data", writable=False),
        core.DirGrant(Path("/tmp"), "/tmp", writable=True),
    )
    assert dict(grants.env) == {"A": "b", "N": "1"}
    assert grants.allow == {"nn.load"}


def test_every_limit_and_model_option_of_the_core_can_be_written():
    assert set(Limits.model_fields) == {field.name for field in dataclasses.fields(core.Limits)}
    assert set(ModelUse.model_fields) == {"path", *(field.name for field in dataclasses.fields(ModelOptions))}
    assert all(math.isfinite(value) for value in Limits().model_dump().values())


def test_every_abi_can_be_written():
    assert set(get_args(Abi)) == {"auto", *abis()}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("skip", (0, "skip", None)),
        ("fail", (0, "fail", None)),
        ({"retry": 2}, (2, "skip", None)),
        ({"stream": "errors"}, (0, "stream", "errors")),
        ({"retry": 1, "stream": "errors"}, (1, "stream", "errors")),
        ({"retry": 1, "then": "fail"}, (1, "fail", None)),
        ({"then": {"stream": "e"}}, (0, "stream", "e")),
    ],
)
def test_on_error_may_be_written_short(written: object, expected: tuple[int, str, str | None]):
    function = {"wasm": "x", "inputs": ["s"], "on_error": written}
    spec = pipeline_from({"sources": {"s": {"type": "camera"}}, "functions": {"f": function}})
    on_error: OnError = spec.functions["f"].on_error
    assert (on_error.retry, on_error.action, on_error.target) == expected


def test_what_was_read_cannot_be_changed():
    spec = parse_pipeline(CONVEYOR)
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"


def test_plain_data_is_checked_like_a_document():
    with pytest.raises(DocumentError, match="'bel' is no stream"):
        pipeline_from({"sources": {"belt": {"type": "camera"}}, "sinks": {"o": {"type": "console", "inputs": ["bel"]}}})
