from __future__ import annotations

import math
import time

import pytest

from weft.core.errors import Problem
from weft.spec.reader import MAX_BYTES, MAX_DEPTH, MAX_VALUES, Parsed, read, show_path


def only(parsed: Parsed) -> Problem:
    assert len(parsed.problems) == 1, parsed.problems
    return parsed.problems[0]


def test_every_value_knows_its_line():
    parsed = read("a: 1\nb:\n  - x\n  -\n    c: 2\n")
    assert parsed.data == {"a": 1, "b": ["x", {"c": 2}]}
    assert parsed.lines == {(): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 5, ("b", 1, "c"): 5}
    assert parsed.line(("b", 1, "missing")) == 5
    assert parsed.line(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("False", False),
        ("12", 12),
        ("0755", 755),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2024-01-01", "2024-01-01"),
        ("-1.5e3", -1500.0),
        (".5", 0.5),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("~", None),
        ("null", None),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("=", "="),
        ("64MiB", "64MiB"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object):
    parsed = read(f"a: {text}")
    assert not parsed.problems
    assert parsed.data == {"a": value}


def test_keys_are_text_whatever_they_look_like():
    assert read("1: a\non: b\nnull: c").data == {"1": "a", "on": "b", "null": "c"}


def test_a_key_that_stands_twice_is_a_problem_with_both_lines():
    parsed = read("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert only(parsed) == Problem("a.b", "stands here twice, first on line 2", 4, "keep one")
    assert parsed.data == {"a": {"b": 1, "c": 2}}


def test_aliases_and_merges_work():
    parsed = read("base: &base {x: 1, y: 2}\na: {<<: *base, y: 3}\nb: {<<: [*base, {z: 4}]}\nc: *base\n")
    assert not parsed.problems
    assert parsed.data["a"] == {"y": 3, "x": 1}
    assert parsed.data["b"] == {"x": 1, "y": 2, "z": 4}
    assert parsed.data["c"] == {"x": 1, "y": 2}


def test_a_merge_of_something_else_is_a_problem():
    assert "no mapping" in only(read("a: {<<: 5}")).message


def test_an_alias_bomb_is_refused_quickly():
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10))
    started = time.perf_counter()
    problem = only(read(f"l0: &l0 [x]\n{levels}\n"))
    assert f"more than {MAX_VALUES} values" in problem.message
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: {c: *a}}", "&a {<<: *a}"])
def test_a_value_within_itself_is_refused(text: str):
    assert "refers to itself" in only(read(text)).message


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "\n".join(" " * n + "a:" for n in range(400))])
def test_deep_nesting_is_refused_before_the_stack_ends(text: str):
    assert f"deeper than {MAX_DEPTH} levels" in only(read(text)).message


def test_a_document_that_is_too_large_is_refused():
    assert "larger than 128.0 KiB" in only(read("a" * (MAX_BYTES + 1))).message


@pytest.mark.parametrize(
    ("text", "message", "line", "cure"),
    [
        ("a: 1\nb: [1, 2", "is no YAML", 2, ""),
        ("a:\n\t- b", "cannot start any token", 2, "indent with spaces, not tabs"),
        ("a: b: c", "mapping values are not allowed", 1, "quote a text that has a colon in it"),
        ("a: 1\n---\nb: 2", "more than one YAML document", 2, "keep one"),
        ("a: *nobody", "undefined alias", 1, ""),
        ("a: 1\nb: \x01", "does not allow", 2, "remove it"),
        ('a: "\\UFFFFFFFF"', "is no YAML", 0, ""),
        ("%YAML 3.0\n---\na: 1", "is no YAML", 1, ""),
        ("", "is empty", 0, ""),
        ("# only a comment", "is empty", 0, ""),
    ],
)
def test_what_is_no_yaml_is_one_problem_with_its_line(text: str, message: str, line: int, cure: str):
    problem = only(read(text))
    assert message in problem.message
    assert (problem.path, problem.line) == ("document", line)
    assert problem.cure.startswith(cure)


def test_bytes_are_utf_8_with_or_without_a_mark():
    assert read("\ufeffa: ü".encode()).data == {"a": "ü"}
    problem = only(read(b"a: 1\nb: \xff"))
    assert (problem.message, problem.line) == ("is not UTF-8 text", 2)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: !!python/object/apply:os.system [ls]", "!!python/object/apply:os.system"),
        ("a: !secret x", "!secret"),
        ("a: !!set {x}", "!!set"),
        ("a: !!binary aGk=", "!!binary"),
    ],
)
def test_tags_are_refused_and_construct_nothing(text: str, tag: str):
    parsed = read(text)
    assert tag in only(parsed).message
    assert parsed.data == {"a": None}
    assert parsed.broken == {("a",)}


@pytest.mark.parametrize(
    "text", ["a: !!int x", "a: !!bool maybe", "a: !!float y", f"a: {'9' * 5000}", f"a: 0x{'F' * 5000}"]
)
def test_a_value_that_its_tag_does_not_fit_is_a_problem(text: str):
    assert only(read(text)).path == "a"


@pytest.mark.parametrize("text", ["? [a]\n: 1", "? {a: 1}\n: 1", '"": 1', '"\\uD800": 1'])
def test_a_key_that_is_no_text_is_a_problem(text: str):
    assert "a key that is no text" in only(read(text)).message


def test_half_a_character_is_a_problem():
    assert "lone surrogate" in only(read('a: "\\uD800"')).message


def test_paths_read_like_code():
    assert show_path(("functions", "detect", "inputs", 0)) == "functions.detect.inputs[0]"
    assert show_path(()) == "document"
