"""A server's access document: what is right, and every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from weft.core.errors import DocumentError, NotFoundError
from weft.spec.kind import kind_of
from weft.spec.reader import read
from weft.spec.rights import load_rights, parse_rights
from weft.spec.schema import rights_schema

HASH = "sha256:" + "0" * 64
RIGHTS = f"""
description: who may what
keys:
  - {{name: line-3, hash: "{HASH}"}}
tokens:
  - {{name: plant, issuer: https://login.example, audience: weft, algorithms: [RS256, EdDSA], jwks: jwks.json}}
rights:
  - {{caller: line-*, infer: [model/mobilenet*, function/blur], rate: 10, burst: 20}}
  - {{caller: plant/*, read: ["*"]}}
"""


def problems(text: str) -> dict[str, tuple[int, str, str]]:
    with pytest.raises(DocumentError) as raised:
        parse_rights(text)
    return {problem.path: (problem.line, problem.message, problem.cure) for problem in raised.value.problems}


def test_a_document_is_read(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").write_text(RIGHTS)
    found = load_rights(tmp_path / "access.yaml")
    assert (found.keys[0].name, found.tokens[0].algorithms) == ("line-3", ("RS256", "EdDSA"))
    assert found.resolve(found.tokens[0].jwks) == tmp_path / "jwks.json"
    assert (found.rights[0].rate, found.rights[0].burst, found.rights[1].read) == (10, 20, ("*",))


def test_all_mistakes_are_told_at_once() -> None:
    text = f"""\
keys:
  - {{name: line 3, hash: secret}}
  - {{name: a, hash: "{HASH}"}}
  - {{name: a, hash: "{HASH}"}}
tokens:
  - {{name: plant, issuer: x, audience: y, algorithms: [HS256], jwks: "http://far.example/jwks"}}
  - {{name: other, issuer: x, audience: y, algorithms: [], jwks: jwks.json}}
rights:
  - {{caller: b, infer: [mobilenet]}}
  - {{caller: a, read: []}}
  - {{caller: a, inferr: ["*"], burst: 3}}
  - {{caller: plnt/x, infer: ["*"]}}
"""
    found = problems(text)
    assert set(found) == {
        "keys[0].name",
        "keys[0].hash",
        "keys[2].name",
        "keys[2].hash",
        "tokens[0].algorithms[0]",
        "tokens[0].jwks",
        "tokens[1].algorithms",
        "rights[0].caller",
        "rights[0].infer[0]",
        "rights[1]",
        "rights[2].inferr",
        "rights[3].caller",
    }
    assert found["keys[0].hash"][2].startswith("write the line that `weft key caller NAME` prints")
    assert found["rights[2].inferr"][2] == "did you mean 'infer'?"
    assert found["rights[3].caller"][2] == "did you mean 'plant'?"
    assert "secret" not in str(found)


@pytest.mark.parametrize("target", ["model/", "model/a b", "models/a", "server/x", "", "model/a/b"])
def test_what_is_not_served_is_no_target(target: str) -> None:
    text = f'keys: [{{name: a, hash: "{HASH}"}}]\nrights: [{{caller: a, infer: ["{target}"]}}]'
    assert list(problems(text)) == ["rights[0].infer[0]"]


@pytest.mark.parametrize("name", ["none", "HS256", "RS512", "ES384", "rs256"])
def test_other_algorithms_cannot_be_listed(name: str) -> None:
    tokens = f"tokens: [{{name: p, issuer: x, audience: y, algorithms: [{name}], jwks: f}}]"
    assert list(problems(f"{tokens}\nrights: [{{caller: p/*, read: ['*']}}]")) == ["tokens[0].algorithms[0]"]


@pytest.mark.parametrize("place", ["https://login.example/jwks", "http://127.0.0.1:1/jwks", "keys/jwks.json"])
def test_places_of_keys(place: str) -> None:
    tokens = f"tokens: [{{name: p, issuer: x, audience: y, algorithms: [ES256], jwks: '{place}'}}]"
    assert parse_rights(f"{tokens}\nrights: [{{caller: p/*, read: ['*']}}]").tokens[0].jwks == place


def test_it_is_told_from_other_documents() -> None:
    assert kind_of(read(RIGHTS)) == "rights"
    with pytest.raises(DocumentError, match="is access rules, not a server's rights"):
        parse_rights("rules: [{certificate: a, publish: [b]}]")
    with pytest.raises(DocumentError, match="must not be empty"):
        parse_rights("rights: []")
    with pytest.raises(NotFoundError):
        load_rights("none.yaml")


def test_it_has_a_schema() -> None:
    assert rights_schema()["properties"]["rights"]["minItems"] == 1
