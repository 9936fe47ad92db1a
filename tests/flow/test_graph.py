"""The plain graph: who feeds whom, and what is no pipeline."""

from __future__ import annotations

import pytest

from tests.flow.actors import Collect, Script, function, graph, same, sink, source
from weft.core.errors import PipelineError
from weft.core.streams import matches
from weft.flow.graph import OnError


@pytest.mark.parametrize(
    ("pattern", "stream", "fits"),
    [
        ("cam", "cam", True),
        ("cam", "cam/front", False),
        ("cam/*", "cam/front", True),
        ("cam/*", "cam/front/left", False),
        ("cam/**", "cam/front/left", True),
        ("**", "anything/at/all", True),
        ("*", "cam", True),
        ("*", "cam/front", False),
        ("tag/0x*", "tag/0x33", True),
        ("*/boxes", "cam/boxes", True),
        ("cam", "Cam", False),
    ],
)
def test_patterns(pattern: str, stream: str, fits: bool) -> None:
    assert matches(pattern, stream) is fits


def names(nodes: list) -> list[str]:
    return [node.name for node in nodes]


def test_streams_join_by_name_default_output_and_error_stream() -> None:
    nodes = graph(
        source("belt", Script(1), stream="cam/belt"),
        function("detect", same, "cam/*", on_error=OnError("stream", stream="errors")),
        function("count", same, "detect", outputs=("numbers", "alarms")),
        sink("all", Collect(), "**"),
        sink("alarm", Collect(), "alarms", "errors"),
    )
    nodes.check()
    detect, count = nodes.functions
    everything, alarm = nodes.sinks
    assert names(nodes.producers_of(detect)) == ["belt"]
    assert names(nodes.producers_of(count)) == ["detect"]
    assert names(nodes.producers_of(everything)) == ["belt", "detect", "count"]
    assert names(nodes.producers_of(alarm)) == ["detect", "count"]


def test_a_pattern_never_matches_what_the_function_itself_emits() -> None:
    nodes = graph(source("in", Script(1)), function("f", same, "**"), sink("out", Collect(), "f"))
    nodes.check()
    assert names(nodes.producers_of(nodes.functions[0])) == ["in"]


def test_a_sink_may_have_the_name_of_a_source() -> None:
    graph(source("belt", Script(1)), sink("belt", Collect(), "belt")).check()


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([sink("out", Collect(), "in")], "no source"),
        ([source("a", Script(1)), source("a", Script(1))], "'a' is there twice"),
        ([source("a", Script(1)), function("a", same, "a")], "'a' is there twice"),
        ([source("cam", Script(1)), sink("out", Collect(), "cma")], "did you mean 'cam'"),
        ([source("cam", Script(1)), sink("out", Collect())], "takes no stream"),
        ([source("cam", Script(1)), sink("out", Collect(), "cam", queue_size=0)], "queue size 0"),
        ([source("cam", Script(1)), function("f", same, "cam", replicas=0)], "0 replicas"),
        (
            [source("cam", Script(1)), function("f", same, "cam", "g"), function("g", same, "f")],
            "in a circle: ",
        ),
    ],
)
def test_what_is_no_pipeline_is_said(nodes: list, says: str) -> None:
    with pytest.raises(PipelineError, match=says):
        graph(*nodes).check()
