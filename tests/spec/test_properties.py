"""Whatever is written, the answer is a pipeline or a DocumentError: never another exception."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weft.core.errors import DocumentError
from weft.spec.pipeline import PipelineSpec, parse_pipeline

from .conftest import CONVEYOR
from .test_pipeline import EVERYTHING

LIGHT = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEYS = """
    sources functions sinks type path inputs outputs wasm models grants limits dirs env allow config queue overflow
    on_error retry then stream memory name realtime <<
"""
CHOICES = "video camera pattern lines console jsonl drop_oldest skip fail 64MiB belt cam/* **"
WORDS = st.sampled_from([*KEYS.split(), *CHOICES.split()])
SCALARS = st.one_of(WORDS, st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)
SECTION = st.dictionaries(WORDS | st.text(max_size=5), VALUES, max_size=4)


def answer(text: str | bytes) -> PipelineSpec | DocumentError:
    try:
        spec = parse_pipeline(text, folder=Path("/nowhere"), check_files=True)
    except DocumentError as error:
        return _readable(error)
    assert isinstance(spec.warnings, tuple)
    return spec


def _readable(error: DocumentError) -> DocumentError:
    assert error.problems
    assert all(problem.path and problem.message for problem in error.problems)
    assert str(error).isprintable() or "\n" in str(error)
    return error


@LIGHT
@given(st.text(max_size=200) | st.text(alphabet="{}[]:,-&*!|>'\"%#@`<?~ \n\tab01\\\ud800\x00", max_size=60))
def test_any_text_is_answered(text: str):
    answer(text)


@LIGHT
@given(st.binary(max_size=100))
def test_any_bytes_are_answered(content: bytes):
    answer(content)


@LIGHT
@given(st.fixed_dictionaries({"sources": SECTION, "functions": SECTION, "sinks": SECTION}) | VALUES)
def test_any_data_is_answered(data: Any):
    answer(yaml.safe_dump(data))


@LIGHT
@given(st.sampled_from([CONVEYOR, EVERYTHING]), st.data())
def test_a_document_with_a_piece_replaced_is_answered(text: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    piece = data.draw(SCALARS.map(str) | st.sampled_from(["&a", "*a", "<<: *a", "!!int", "{", "}", "[", ": ", "\n"]))
    answer(text[:start] + piece + text[end:])


@LIGHT
@given(st.sampled_from([CONVEYOR, EVERYTHING]), st.data())
def test_a_document_with_a_line_lost_is_answered(text: str, data: st.DataObject):
    rows = text.splitlines()
    del rows[data.draw(st.integers(0, len(rows) - 1))]
    answer("\n".join(rows))
