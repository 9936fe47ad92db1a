from __future__ import annotations

import pytest

from weft.spec.pipeline import PipelineSpec, parse_pipeline
from weft.spec.wording import keys_at

from .conftest import function_problems, problems_of


@pytest.mark.parametrize(
    ("entries", "path", "message", "cure"),
    [
        ("quue: 5", "quue", "is no key here", "did you mean 'queue'?"),
        ("abi: reactr", "abi", "'reactr' is no choice here", "did you mean 'reactor'?"),
        ("instance: 5", "instance", "must be one of reuse, fresh, is 5", ""),
        ("instance: often", "instance", "'often' is no choice here", "one of fresh, reuse"),
        ('replicas: "2"', "replicas", "must be a whole number, is '2'", "write it without quotes"),
        ("replicas: 0", "replicas", "must be at least 1, is 0", ""),
        ("replicas: 1.5", "replicas", "must be a whole number, is 1.5", ""),
        ("replicas: 1000", "replicas", "must be at most 256, is 1000", ""),
        ("replicas:", "replicas", "must be a whole number, is empty", ""),
        ("outputs: parts", "outputs", "must be a list, is 'parts'", "write [parts]"),
        ("outputs: [5]", "outputs[0]", "must be text, is 5", 'put it in quotes: "…"'),
        ("outputs: [a, 'b c']", "outputs[1]", "'b c' is no stream name", "use letters, digits, '_-.', parts"),
        ("models: [net]", "models", "must be a mapping, is a list", ""),
        ("models: {net: 5}", "models.net", "must be a mapping, is 5", ""),
        ("models: {net: {}}", "models.net.path", "is missing", "add it"),
        (
            "models: {net: {path: x, precison: f32}}",
            "models.net.precison",
            "is no key here",
            "did you mean 'precision'?",
        ),
        ("models: {net: {path: x, precision: f64}}", "models.net.precision", "'f64' is no choice here", "did you mean"),
        ("limits: {memory: lots}", "limits.memory", "'lots' is no size", "write it like 64MiB"),
        ("limits: {time: -5ms}", "limits.time", "'-5ms' is no duration", "write it like 200ms or 1.5s"),
        ("limits: {handls: 5}", "limits.handls", "is no key here", "did you mean 'handles'?"),
        ("grants: {allow: [nn.lod]}", "grants.allow[0]", "'nn.lod' is no capability", "did you mean 'nn.load'?"),
        ("grants: {dirs: [':x']}", "grants.dirs[0]", "is no directory grant", "write host:guest or host:guest:ro"),
        ("grants: {env: {A: [1]}}", "grants.env.A", "must be text, is a list", ""),
        ("config: {a: }", "config.a", "has no value", 'write "" for an empty text'),
        ("queue: {size: 99999}", "queue.size", "must be at most 65536, is 99999", ""),
        ("on_error: skp", "on_error", "'skp' is no choice here", "did you mean 'skip'?"),
        ("on_error: {retry: 1, then: {steam: x}}", "on_error.then.steam", "is no key here", "did you mean 'stream'?"),
        ("on_error: {then: fial}", "on_error.then", "'fial' is no choice here", "did you mean 'fail'?"),
        ("on_error: {then: skip, stream: x}", "on_error", "has both `then` and `stream`", "keep one"),
        ("on_error: [skip]", "on_error", "must be a mapping, is a list", ""),
    ],
)
def test_a_mistake_in_a_function_is_said_plainly(entries: str, path: str, message: str, cure: str):
    problem = function_problems(entries)[path]
    assert problem.message == message
    assert problem.cure.startswith(cure)
    assert bool(problem.cure) == bool(cure)
    assert problem.line == 6


@pytest.mark.parametrize(
    ("source", "path", "message", "cure"),
    [
        ("{type: vidoe, path: x}", "sources.s", "the type 'vidoe' is unknown", "did you mean 'video'?"),
        ("{type: xyz}", "sources.s", "the type 'xyz' is unknown", "one of camera, http, lines, mqtt, pattern"),
        ("{path: x}", "sources.s.type", "is missing", "add it"),
        ("{type: 5}", "sources.s.type", "must be text, is 5", ""),
        ("5", "sources.s", "must be a mapping, is 5", "write it like {type: …}"),
        ("{type: video}", "sources.s.path", "is missing", "add it"),
        ("{type: video, path: x, loop: yes}", "sources.s.loop", "must be true or false, is 'yes'", "write true"),
        ("{type: video, path: x, loop: off}", "sources.s.loop", "must be true or false, is 'off'", "write false"),
        ("{type: video, path: x, fps: 3}", "sources.s.fps", "is no key here", "one of encoding, limit, loop, path"),
        ("{type: camera, fps: 0}", "sources.s.fps", "must be more than 0.0, is 0", ""),
        ("{type: camera, fps: .inf}", "sources.s.fps", "must be a finite number, is inf", ""),
        ("{type: camera, fps: fast}", "sources.s.fps", "must be a number, is 'fast'", ""),
        ("{type: camera, size: big}", "sources.s.size", "is no picture size", "write width x height"),
        ("{type: camera, queue: {size: x}}", "sources.s.queue.size", "must be a whole number, is 'x'", ""),
        ("{type: camera, device: ''}", "sources.s.device", "must not be empty", ""),
    ],
)
def test_a_mistake_in_a_source_is_said_plainly(source: str, path: str, message: str, cure: str):
    text = f"sources:\n  s: {source}\nsinks: {{o: {{type: console, inputs: [s]}}}}\n"
    (problem,) = problems_of(text)
    assert (problem.path, problem.message, problem.line) == (path, message, 2)
    assert problem.cure.startswith(cure)


def test_mistakes_at_the_top_are_said_plainly():
    assert [str(problem) for problem in problems_of("[1]")] == ["line 1: document: must be a mapping, is a list"]
    assert [str(problem) for problem in problems_of("sorces: {}")] == [
        "line 1: sources: is missing (add it, or take frames from a site: weft run --connect, or streams:)",
        "line 1: sorces: is no key here (did you mean 'sources'?)",
    ]
    assert [str(problem) for problem in problems_of("sources: {}")] == [
        "line 1: sources: must not be empty (add at least one entry)"
    ]


def test_too_many_entries_are_said_plainly():
    inputs = ", ".join(["s"] * 33)
    (problem,) = problems_of(f"sources: {{s: {{type: camera}}}}\nsinks: {{o: {{type: console, inputs: [{inputs}]}}}}")
    assert problem.message == "must have at most 32 entries, has 33"


def test_a_name_that_is_none_is_a_mistake_at_its_key():
    (problem,) = problems_of("sources:\n  s: {type: camera}\n  'a b': {type: camera}\n")
    assert (problem.path, problem.line) == ("sources.a b", 3)


def test_long_values_are_cut():
    (problem,) = problems_of(f"sources: {{s: {{type: {'x' * 500}}}}}")
    assert len(problem.message) < 100


def test_the_keys_of_every_place_are_known():
    assert keys_at(PipelineSpec, ()) == ["description", "functions", "name", "sinks", "sources", "streams"]
    assert keys_at(PipelineSpec, ("sources", "x", "<lines>")) == ["limit", "path", "stream", "type"]
    assert keys_at(PipelineSpec, ("functions", "x", "on_error", "then", "<stream>")) == ["stream"]
    assert "path" in keys_at(PipelineSpec, ("functions", "x", "models", "net"))


def test_a_value_the_reader_could_not_make_is_reported_once():
    (problem,) = problems_of("sources:\n  s: {type: video, path: !secret x}\nsinks: {o: {type: console, inputs: [s]}}")
    assert "tag !secret" in problem.message


def test_no_document_is_ever_answered_in_jargon():
    text = "sources: 5\nfunctions: [x]\nsinks: {a: {type: video}, b: {inputs: 5, type: console, queue: [], path: x}}"
    words = ("Input should", "pydantic", "Field", "discriminator", "dictionary", "<")
    shown = " ".join(map(str, problems_of(text)))
    assert not [word for word in words if word in shown]
    parse_pipeline("sources: {s: {type: camera}}")
