"""Policies as documents: what is right, and every mistake at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.test_schema import properties
from weft.core.errors import DocumentError, NotFoundError
from weft.spec.access import parse_access
from weft.spec.kind import kind_of
from weft.spec.policy import ArtifactRule, load_policy, parse_policy
from weft.spec.reader import read
from weft.spec.schema import policy_schema

PEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
RULES = f"""
description: what the line runs
signers:
  release: release.pub
  lab: "{PEM.replace(chr(10), chr(92) + "n")}"
artifacts:
  - match: registry.example/ml/**
    signed: [release, lab]
    need: all
  - {{match: "oci://mirror.example/*", signed: [lab], identity: registry.example/ml/net}}
  - {{match: "hf:org/**", digests: ["sha256:{"ab" * 32}"]}}
  - {{match: "localhost:5000/**", use: allow}}
"""


def problems(text: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(DocumentError) as raised:
        parse_policy(text)
    return [(problem.line, problem.path, problem.message, problem.cure) for problem in raised.value.problems]


def test_a_policy_is_read_in_its_order() -> None:
    spec = parse_policy(RULES)
    first, mirror, hub, local = spec.artifacts
    assert (first.match, first.signed, first.need) == ("registry.example/ml/**", ("release", "lab"), "all")
    assert (mirror.match, mirror.identity) == ("mirror.example/*", "registry.example/ml/net")
    assert (hub.digests, local.use) == (("sha256:" + "ab" * 32,), "allow")
    assert (spec.otherwise, spec.signers["lab"]) == ("deny", PEM)


def test_what_no_rule_matches_is_denied_by_default() -> None:
    assert parse_policy("artifacts: []").otherwise == "deny"
    assert parse_policy("artifacts: []\notherwise: allow").otherwise == "allow"


def test_all_mistakes_are_told_at_once_with_line_and_nearest_word() -> None:
    text = """\
signers: {release: release.pub, "a b": x.pub, empty: ""}
artifacts:
  - {match: r.example/**, signed: [relaese]}
  - {match: r.example/net:1, use: allow}
  - {match: "r.example/net@sha256:00", use: allow}
  - {match: "", use: deny}
  - {match: r.example/**}
  - {match: r.example/**, signed: [release], use: allow}
  - {match: r.example/**, use: allow, need: all}
  - {match: "hf:org/**", signed: [release]}
  - {match: r.example/**, digests: [ab]}
  - {macth: r.example/**, use: alow}
  - {match: r.example, use: allow}
otherwize: deny
"""
    found = problems(text)
    assert {(line, path) for line, path, _, _ in found} == {
        (1, "signers.a b"),
        (1, "signers.empty"),
        (3, "artifacts[0].signed[0]"),
        (4, "artifacts[1].match"),
        (5, "artifacts[2].match"),
        (6, "artifacts[3].match"),
        (7, "artifacts[4]"),
        (8, "artifacts[5]"),
        (9, "artifacts[6]"),
        (10, "artifacts[7]"),
        (11, "artifacts[8].digests[0]"),
        (12, "artifacts[9].match"),
        (12, "artifacts[9].macth"),
        (12, "artifacts[9].use"),
        (13, "artifacts[10].match"),
        (14, "otherwize"),
    }
    cures = {path: cure for _, path, _, cure in found}
    assert cures["artifacts[0].signed[0]"] == "did you mean 'release'?"
    assert cures["artifacts[1].match"] == "write r.example/net"
    assert cures["artifacts[10].match"] == "write r.example/** for all of a registry"
    assert cures["artifacts[9].use"] == "did you mean 'allow'?"
    assert cures["otherwize"] == "did you mean 'otherwise'?"
    assert all(cure for path, cure in cures.items() if not path.startswith("signers"))


def test_a_port_is_no_tag() -> None:
    assert ArtifactRule(match="**", use="allow").match == "**"
    assert ArtifactRule(match="localhost:5000/**", use="allow").match == "localhost:5000/**"


def test_a_policy_is_no_other_document_and_none_is_a_policy() -> None:
    assert kind_of(read(RULES)) == "policy"
    with pytest.raises(DocumentError, match="is a policy, not access rules"):
        parse_access(RULES)
    with pytest.raises(DocumentError, match="is access rules, not a policy"):
        parse_policy("rules: [{certificate: a, publish: [b]}]")
    with pytest.raises(DocumentError):
        parse_policy("")


def test_a_file_knows_its_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_policy(tmp_path / "absent.yaml")
    (tmp_path / "policy.yaml").write_text(RULES)
    spec = load_policy(tmp_path / "policy.yaml")
    assert spec.resolve(spec.signers["release"]) == tmp_path / "release.pub"


def test_the_schema_describes_everything() -> None:
    schema = policy_schema()
    assert schema["title"] == "Weft policy"
    assert not [path for path, value in properties(schema) if len(value.get("description", "")) < 8]


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_a_document_error(text: str) -> None:
    with suppress(DocumentError):
        parse_policy(f"artifacts:\n  - {text}")
