from __future__ import annotations

from typing import Any

import pytest

from weft.spec.graph import Graph, Stage, graph_of
from weft.spec.pipeline import pipeline_from


def stage(graph: Graph, name: str) -> Stage:
    return next(stage for stage in graph.stages if stage.name == name)


@pytest.fixture
def diamond() -> dict[str, Any]:
    return {
        "sources": {"belt": {"type": "video", "path": "x"}, "front": {"type": "camera", "stream": "cam/front"}},
        "functions": {
            "left": {"wasm": "x", "inputs": ["belt"]},
            "right": {"wasm": "x", "inputs": ["belt", "cam/*"], "outputs": ["r/a", "r/b"]},
            "join": {"wasm": "x", "inputs": ["**"], "on_error": {"retry": 1, "then": {"stream": "errors"}}},
        },
        "sinks": {"all": {"type": "console", "inputs": ["**"]}, "some": {"type": "console", "inputs": ["r/*", "left"]}},
    }


def test_streams_are_named_after_stages_unless_they_say_otherwise(diamond: dict[str, Any]):
    assert sorted(graph_of(diamond).producers) == ["belt", "cam/front", "errors", "join", "left", "r/a", "r/b"]


def test_patterns_take_what_they_match_but_never_the_stages_own_streams(diamond: dict[str, Any]):
    graph = graph_of(diamond)
    assert graph.reads(stage(graph, "right")) == ("belt", "cam/front")
    assert graph.reads(stage(graph, "join")) == ("belt", "cam/front", "left", "r/a", "r/b")
    assert graph.reads(stage(graph, "some")) == ("r/a", "r/b", "left")
    assert len(graph.reads(stage(graph, "all"))) == 7


def test_sources_are_found_however_far_away(diamond: dict[str, Any]):
    graph = graph_of(diamond)
    assert [source.name for source in graph.sources(stage(graph, "left"))] == ["belt"]
    assert {source.name for source in graph.sources(stage(graph, "some"))} == {"belt", "front"}
    assert [reader.name for reader in graph.readers("left")] == ["join", "all", "some"]


def test_the_order_puts_feeders_first(diamond: dict[str, Any]):
    names = [stage.name for stage in graph_of(diamond).order()]
    assert names.index("belt") < names.index("left") < names.index("join") < names.index("all")


def test_a_cycle_is_named():
    functions = {name: {"inputs": [feeder]} for name, feeder in (("a", "c"), ("b", "a"), ("c", "b"))}
    cycle = graph_of({"functions": functions}).cycle()
    assert len(cycle) == 4
    assert cycle[0] == cycle[-1]
    assert {stage.name for stage in cycle} == {"a", "b", "c"}


def test_a_long_chain_does_not_end_the_stack():
    functions = {f"f{n}": {"inputs": [f"f{n - 1}"]} for n in range(1, 5000)}
    assert len(graph_of({"functions": functions}).order()) == 128


@pytest.mark.parametrize("on_error", ["skip", {"retry": 1}, {"then": "fail"}, {"then": {"then": {}}}, 5, None, []])
def test_only_a_stream_for_errors_counts_as_one(on_error: object):
    graph = graph_of({"functions": {"f": {"inputs": [], "on_error": on_error}}})
    assert stage(graph, "f").errors is None


def test_what_is_written_wrongly_is_left_out():
    graph = graph_of(
        {
            "sources": {"a": 5, "b": {"stream": 5}, "c": {"stream": "x y"}},
            "functions": {"f": {"inputs": "b", "outputs": [5]}, "g": {"inputs": [5, "?", "f", {}], "queue": []}},
            "sinks": [],
        }
    )
    assert [(found.name, found.complete) for found in graph.stages] == [
        ("a", True),
        ("b", False),
        ("c", False),
        ("f", False),
        ("g", True),
    ]
    assert stage(graph, "g").inputs == ((2, "f"),)


def test_a_checked_pipeline_has_the_same_graph(diamond: dict[str, Any]):
    graph, checked = graph_of(diamond), pipeline_from(diamond).graph
    assert checked.stages == graph.stages
    assert [checked.reads(found) for found in checked.stages] == [graph.reads(found) for found in graph.stages]
