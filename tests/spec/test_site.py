"""Documents that share streams with a site, and sources of streams that others named."""

from __future__ import annotations

from typing import Any

import pytest

from weft.core.errors import DocumentError
from weft.spec.pipeline import load_pipeline, parse_pipeline, pipeline_from
from weft.spec.sources import source_types

CONSOLE = {"type": "console", "inputs": ["labels"]}


def problems(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(DocumentError) as raised:
        pipeline_from(document)
    return [(problem.path, problem.message) for problem in raised.value.problems]


def test_what_nobody_emits_comes_from_the_site_and_no_source_is_needed() -> None:
    spec = pipeline_from(
        {"streams": {"connect": ["edge"]}, "sinks": {"s": {"type": "console", "inputs": ["a", "b/*"]}}}
    )
    assert spec.graph.foreign == ("a", "b/*")
    assert spec.sink_inputs("s") == ("a", "b/*")
    assert spec.warnings == ()


def test_without_a_site_what_nobody_emits_is_a_mistake() -> None:
    document = {"sources": {"belt": {"type": "pattern"}}, "sinks": {"s": CONSOLE}}
    assert problems(document) == [("sinks.s.inputs[0]", "'labels' is no stream")]


@pytest.mark.parametrize("streams", [None, {"connect": ["edge"]}])
def test_a_pipeline_that_takes_nothing_at_all_is_a_mistake(streams: dict[str, Any] | None) -> None:
    document: dict[str, Any] = {"sources": {}} | ({} if streams is None else {"streams": streams})
    assert problems(document) == [("sources", "must not be empty")]


def test_a_name_that_is_nearly_one_of_the_document_is_asked_about() -> None:
    document = {
        "streams": {"connect": ["edge"]},
        "sources": {"label": {"type": "pattern"}},
        "sinks": {"s": CONSOLE},
    }
    (warning,) = pipeline_from(document).warnings
    assert "'labels' is taken from the site" in warning.message
    assert warning.cure == "did you mean 'label'?"


def source(pattern: str) -> dict[str, Any]:
    return {"type": "stream", "pattern": pattern}


def test_a_source_of_a_pattern_feeds_what_overlaps_with_it() -> None:
    document = {
        "sources": {"site": source("cam/*")},
        "functions": {"f": {"wasm": "f.wasm", "inputs": ["**"], "outputs": ["labels"]}},
        "sinks": {"s": {"type": "console", "inputs": ["cam/1", "c*/2", "labels"]}},
    }
    spec = pipeline_from(document)
    assert spec.function_inputs("f") == ("**",)
    assert spec.sink_inputs("s") == ("cam/1", "c*/2", "labels")
    sink = spec.graph.stages[-1]
    assert [stage.name for stage in spec.graph.feeders(sink)] == ["site", "f"]


@pytest.mark.parametrize(("one", "other"), [("cam/*", "cam/1"), ("**", "x"), ("a*", "*b")])
def test_two_sources_may_not_take_the_same_streams(one: str, other: str) -> None:
    document = {
        "sources": {"a": source(one), "b": source(other)},
        "sinks": {"s": {"type": "console", "inputs": ["**"]}},
    }
    assert ("sources.b.pattern", "takes streams that source 'a' takes, too") in problems(document)


def test_what_comes_from_the_site_is_not_published_there() -> None:
    document = {"sources": {"a": source("cam/*")}, "sinks": {"s": {"type": "stream", "inputs": ["cam/1"]}}}
    assert problems(document) == [("sinks.s.inputs", "would publish what source 'a' takes from the site")]
    joined = {"streams": {"connect": ["edge"]}, "sinks": {"s": {"type": "stream", "inputs": ["cam/1"]}}}
    assert problems(joined) == [("sinks.s.inputs[0]", "'cam/1' would be published, and nobody here emits it")]


def test_a_source_that_nothing_takes_looks_forgotten() -> None:
    document = {
        "sources": {"a": source("cam/*"), "belt": {"type": "pattern"}},
        "sinks": {"s": {"type": "console", "inputs": ["belt"]}},
    }
    assert [warning.message for warning in pipeline_from(document).warnings] == ["nobody reads the stream 'cam/*'"]


def test_frames_of_a_recording_are_never_dropped() -> None:
    document = {
        "sources": {"day": {"type": "recording", "path": "day.weftrec"}},
        "sinks": {"s": {"type": "console", "inputs": ["cam/1"], "queue": {"overflow": "drop_oldest"}}},
    }
    ((path, message),) = problems(document)
    assert path == "sinks.s.queue.overflow"
    assert "'day', which is not live" in message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("connect", ["edge 1"], "'edge 1' is no endpoint"),
        ("connect", [""], "'' is no endpoint"),
        ("listen", ["quic/edge:1#cert=x"], "'quic/edge:1#cert=x' is no endpoint"),
        ("site", "a/b", "'a/b' is no site's name"),
        ("delivery", "fast", "'fast' is no choice here"),
        ("share", ["a b"], "'a b' is no stream name or pattern"),
        ("router", "x", "is no key here"),
    ],
)
def test_a_mistake_in_the_site_is_said_plainly(key: str, value: Any, message: str) -> None:
    document = {"streams": {"connect": ["edge"], key: value}, "sinks": {"s": CONSOLE}}
    assert [found for _, found in problems(document)] == [message]


def test_what_the_caller_says_of_the_site_goes_before_the_document(tmp_path: Any) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("streams: {connect: [quic/a:1], site: north}\nsinks: {s: {type: console, inputs: [x]}}\n")
    streams = load_pipeline(path, site={"connect": ["b"]}).streams
    assert streams is not None
    assert (streams.connect, streams.site) == (("b",), "north")
    path.write_text("sinks: {s: {type: console, inputs: [x]}}\n")
    assert load_pipeline(path, site={"connect": ["b"]}).graph.joined


def test_a_site_that_is_no_mapping_is_a_mistake() -> None:
    with pytest.raises(DocumentError, match="streams: must be a mapping"):
        parse_pipeline("streams: edge\nsources: {b: {type: pattern}}\nsinks: {s: {type: console, inputs: [b]}}\n")


def test_types_of_sources_tell_their_options() -> None:
    types = {kind.name: kind for kind in source_types()}
    assert {"video", "camera", "pictures", "pattern", "lines"} <= set(types)
    assert not {"stream", "recording"} & set(types)
    options = {option.name: option for option in types["pattern"].options}
    assert (options["size"].kind, options["size"].default) == (str, "640x480")
    assert (options["fps"].kind, options["realtime"].kind, options["frames"].default) == (float, bool, None)
    assert all(option.about for kind in types.values() for option in kind.options)
