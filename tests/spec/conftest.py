"""What the tests of documents share."""

from __future__ import annotations

from textwrap import dedent

import pytest

from weft.core.errors import DocumentError, Problem
from weft.spec.pipeline import parse_pipeline

CONVEYOR = """
name: conveyor
sources:
  belt: {type: video, path: belt.mp4}
functions:
  detect:
    wasm: detect.wasm
    inputs: [belt]
    outputs: [parts]
    models: {net: detector.onnx}
sinks:
  results: {type: jsonl, path: results.jsonl, inputs: [parts]}
"""


def problems_of(text: str) -> tuple[Problem, ...]:
    """All problems of a pipeline document that has some."""
    with pytest.raises(DocumentError) as caught:
        parse_pipeline(dedent(text))
    return caught.value.problems


def function_problems(entries: str) -> dict[str, Problem]:
    """The problems of the function ``f`` with the given entries, by path below the function."""
    text = (
        "sources: {s: {type: lines, path: '-'}}\nfunctions:\n  f:\n    wasm: f.wasm\n    inputs: [s]\n"
        + "".join(f"    {line}\n" for line in dedent(entries).strip().splitlines())
        + "sinks: {o: {type: console, inputs: ['**']}}\n"
    )
    return {problem.path.removeprefix("functions.f."): problem for problem in problems_of(text)}
