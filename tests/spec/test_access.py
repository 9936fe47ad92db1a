"""Access rules as a document: what is right, and every mistake at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core.errors import DocumentError, NotFoundError
from weft.spec.access import RIGHTS, AccessRule, load_access, parse_access
from weft.spec.kind import kind_of
from weft.spec.pipeline import parse_pipeline
from weft.spec.reader import read
from weft.spec.schema import access_schema

RULES = """
description: who may what
rules:
  - {certificate: camera-*, publish: [cam/*], scope: site}
  - certificate: viewer
    subscribe: [cam/*, labels]
    ask: [focus]
"""


def problems(text: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(DocumentError) as raised:
        parse_access(text)
    return [(problem.line, problem.path, problem.message, problem.cure) for problem in raised.value.problems]


def test_rules_are_read_in_their_order() -> None:
    camera, viewer = parse_access(RULES).rules
    assert (camera.certificate, camera.publish, camera.scope) == ("camera-*", ("cam/*",), "site")
    assert (viewer.subscribe, viewer.ask, viewer.answer, viewer.scope) == (("cam/*", "labels"), ("focus",), (), None)


def test_all_mistakes_are_told_at_once_with_line_and_nearest_key() -> None:
    text = """\
rules:
  - {certifcate: camera-1, publish: cam}
  - {certificate: "", subscribe: ["a b"]}
  - {certificate: viewer}
  - {certificate: clerk, subscribe: [a], scope: globl}
rulez: 1
"""
    found = problems(text)
    assert {(line, path) for line, path, _, _ in found} == {
        (2, "rules[0].certificate"),
        (2, "rules[0].certifcate"),
        (2, "rules[0].publish"),
        (3, "rules[1].certificate"),
        (3, "rules[1].subscribe[0]"),
        (4, "rules[2]"),
        (5, "rules[3].scope"),
        (6, "rulez"),
    }
    cures = {path: cure for _, path, _, cure in found}
    assert cures["rules[0].certifcate"] == "did you mean 'certificate'?"
    assert cures["rules[0].publish"] == "write [cam]"
    assert cures["rules[3].scope"] == "did you mean 'global'?"
    assert cures["rulez"] == "did you mean 'rules'?"


def test_a_rule_that_allows_nothing_is_a_mistake() -> None:
    ((_, path, message, cure),) = problems("rules: [{certificate: a, publish: []}]")
    assert (path, message) == ("rules[0]", "allows nothing")
    assert all(right in cure for right in RIGHTS)


@pytest.mark.parametrize("text", ["rules: []", "description: x", "rules:"])
def test_a_document_without_rules_is_a_mistake(text: str) -> None:
    assert [path for _, path, _, _ in problems(text)] == ["rules"]


def test_documents_of_other_kinds_are_told_apart() -> None:
    assert kind_of(read("rules: []")) == "access"
    assert kind_of(read("rulse: []")) == "access"
    assert kind_of(read("sources: {}\nrules: []")) == "pipeline"
    assert problems("sources: {}")[0][2] == "is a pipeline, not access rules"
    with pytest.raises(DocumentError, match="is access rules, not a pipeline") as raised:
        parse_pipeline(RULES)
    assert "weft router --access" in raised.value.problems[0].cure


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    assert len(load_access(tmp_path / "rules.yaml").rules) == 2
    with pytest.raises(NotFoundError, match=r"did you mean 'rules\.yaml'"):
        load_access(tmp_path / "rule.yaml")


def test_the_schema_describes_every_key() -> None:
    schema = access_schema()
    rule = schema["$defs"]["AccessRule"]
    assert set(rule["properties"]) == set(AccessRule.model_fields)
    assert rule["required"] == ["certificate"]
    assert all(part["description"] for part in rule["properties"].values())


@given(st.text(max_size=200))
def test_any_text_is_rules_or_a_list_of_mistakes(text: str) -> None:
    with suppress(DocumentError):
        assert parse_access(text).rules
