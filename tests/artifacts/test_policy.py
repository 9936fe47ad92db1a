"""Policies as a node enforces them: which rule, which keys, and nothing that loosens them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.conftest import FAST, Served
from tests.artifacts.front import Front, front
from tests.artifacts.test_origins import Hub
from weft.artifacts.digest import Descriptor, digest_of
from weft.artifacts.keys import new_key, write_pair
from weft.artifacts.local import local_path, run
from weft.artifacts.manifest import Manifest
from weft.artifacts.policy import All, Policy, Verify, checks, load_policy, node_policy, place_of
from weft.artifacts.pull import pull
from weft.artifacts.push import pack_wasm, push
from weft.artifacts.reference import parse_reference
from weft.artifacts.references import References
from weft.artifacts.settings import Retry, Settings, Subject
from weft.artifacts.sign import sign
from weft.artifacts.store import Store
from weft.core.errors import DeniedError, DocumentError, NotFoundError, WeftError

RELEASE, LAB = new_key(), new_key("ed25519")
FILE = digest_of(b"file")
ART = digest_of(b"art")


@pytest.fixture
def policy(tmp_path: Path) -> Any:
    """Write a policy whose keys are there; the file's path."""
    write_pair(RELEASE, tmp_path / "release.pem")
    write_pair(LAB, tmp_path / "lab.pem")

    def write(rules: str, name: str = "policy.yaml") -> Path:
        path = tmp_path / name
        path.write_text(f"signers: {{release: release.pub, lab: lab.pub}}\n{rules}\n")
        return path

    return write


def ask(check: Any, reference: str) -> str:
    """What a policy says of an artifact that nobody signed: nothing, or why not."""
    manifest = Manifest(b"", ART, "", "", Descriptor("", ART, 2), (Descriptor("", FILE, 4),))

    async def nothing(tag: str, *, anew: bool | None = None) -> None:
        return None

    try:
        asyncio.run(check(Subject(parse_reference(reference).name, ART, manifest, nothing)))
    except DeniedError as error:
        return error.what if error.cure else "it has no cure"
    return ""


@pytest.mark.parametrize(
    ("match", "reference", "matches"),
    [
        ("r.example/ml/*", "oci://r.example/ml/net:1", True),
        ("r.example/ml/*", "oci://R.Example:443/ml/net:1", True),
        ("r.example/ml/*", "oci://r.example/ml/deep/net:1", False),
        ("r.example/ml/**", "oci://r.example/ml/deep/net:1", True),
        ("r.example/ml/**", "oci://r.example/mlx/net:1", False),
        ("r.example/ml/**", "oci://r.example.evil.example/ml/net:1", False),
        ("*.example/**", "oci://r.example/ml/net:1", True),
        ("r.example/**", "oci://r.example:5000/ml/net:1", False),
        ("localhost:5000/**", "oci://localhost:5000/ml/net:1", True),
        ("docker.io/*", "oci://docker.io/net:1", True),
        ("docker.io/*", "oci://docker.io/org/net:1", False),
        ("docker.io/**", "oci://docker.io/org/net:1", True),
        ("docker.io/**", "oci://registry-1.docker.io/org/net:1", True),
        ("Docker.IO/org/**", "oci://docker.io/org/net:1", True),
        ("docker.io/library/*", "oci://index.docker.io/net:1", True),
        ("r.example/ml/n.t", "oci://r.example/ml/net:1", False),
        ("hf:org/repo/*", "hf:org/repo/net.onnx", True),
        ("hf:org/repo/*", "hf:Org/Repo/net.onnx@v1", True),
        ("hf:org/repo/*", "hf:org/repo/x/net.onnx", False),
        ("https://e.example/a/**", f"https://e.example/a/b/c#sha256={'0' * 64}", True),
        ("https://e.example/a/**", f"https://E.example:443/x/%2e%2e/a/c#sha256={'0' * 64}", True),
        ("https://e.example/a/**", f"https://e.example/a/../b#sha256={'0' * 64}", False),
        ("https://e.example/a/**", f"http://e.example/a/b#sha256={'0' * 64}", False),
        ("**", "hf:org/repo/net.onnx", True),
    ],
)
def test_places_are_matched_in_one_way_of_writing(policy, match: str, reference: str, matches: bool) -> None:
    made = load_policy(policy(f'artifacts: [{{match: "{match}", use: allow}}]'))
    assert (made.rule(parse_reference(reference)) is not None) is matches, place_of(parse_reference(reference))
    assert (ask(made, reference) == "") is matches


def test_the_first_rule_that_matches_decides(policy) -> None:
    made = load_policy(
        policy("artifacts: [{match: r.example/bad/**, use: deny}, {match: r.example/**, use: allow}]\notherwise: allow")
    )
    assert "refuses it" in ask(made, "oci://r.example/bad/net:1")
    assert ask(made, "oci://r.example/good/net:1") == ""
    assert ask(made, "oci://elsewhere.example/net:1") == ""
    other = load_policy(policy("artifacts: [{match: r.example/**, use: allow}]", "o.yaml"))
    assert "no rule allows it" in ask(other, "oci://elsewhere.example/net:1")


def test_digests_are_of_the_artifact_or_of_the_file_elsewhere(policy) -> None:
    made = load_policy(
        policy(
            f'artifacts: [{{match: "r.example/**", digests: ["{ART}"]}}, {{match: "hf:**", digests: ["{FILE}"]}},'
            f'{{match: "s.example/**", digests: ["{FILE}"]}}]'
        )
    )
    assert ask(made, "oci://r.example/net:1") == ""
    assert ask(made, "hf:org/repo/net.onnx") == ""
    assert "is not among those" in ask(made, "oci://s.example/net:1")


def test_a_rule_for_keys_refuses_what_can_have_no_signature(policy) -> None:
    made = load_policy(policy('artifacts: [{match: "**", signed: [release]}]'))
    assert "only what is in a registry can be signed" in ask(made, "hf:org/repo/net.onnx")
    assert "it is not signed" in ask(made, "oci://r.example/net:1")


def test_all_that_is_wrong_with_keys_is_told_at_once(tmp_path: Path) -> None:
    write_pair(RELEASE, tmp_path / "k.pem")
    path = tmp_path / "p.yaml"
    path.write_text('signers:\n  a: absent.pub\n  b: k.pem\n  c: "-----BEGIN X"\n  d: k.pub\nartifacts: []\n')
    with pytest.raises(DocumentError) as told:
        load_policy(path)
    assert [(one.line, one.path) for one in told.value.problems] == [
        (2, "signers.a"),
        (3, "signers.b"),
        (4, "signers.c"),
    ]
    assert all(one.cure for one in told.value.problems)


def test_a_nodes_policy_is_found(policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CONFIG", str(tmp_path / "config"))
    assert node_policy() is None
    assert checks() is None
    assert Settings().check is None
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "policy.yaml").write_text("artifacts: []")
    assert isinstance(Settings().check, Policy)
    monkeypatch.setenv("WEFT_POLICY", str(tmp_path / "absent.yaml"))
    with pytest.raises(NotFoundError):
        Settings()
    monkeypatch.setenv("WEFT_POLICY", str(policy("artifacts: [{match: r.example/**, use: allow}]", "other.yaml")))
    assert ask(Settings().check, "oci://r.example/net:1") == ""


def test_nothing_on_a_command_line_loosens_it(policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_POLICY", str(policy("artifacts: [{match: r.example/**, signed: [release]}]")))
    lenient = policy("artifacts: []\notherwise: allow", "lenient.yaml")
    both = checks(lenient, [tmp_path / "lab.pub"])
    assert isinstance(both, All)
    assert [type(check) for check in both.checks] == [Policy, Policy, Verify]
    assert "release" in ask(both, "oci://r.example/net:1")
    assert "no rule allows it" in ask(both, "hf:org/repo/net.onnx")
    monkeypatch.delenv("WEFT_POLICY")
    strict = checks(lenient, [tmp_path / "lab.pub"])
    assert "lab.pub" in ask(strict, "oci://r.example/net:1")
    assert ask(strict, f"https://e.example/net#sha256={'0' * 64}") == ""
    assert "only what is in a registry" in ask(strict, "hf:org/repo/net.onnx")


def test_a_policy_holds_in_a_real_registry_and_in_programs(
    registry: Served, policy, store: Store, other: Store, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = registry.name("policy/net:1")
    run(push(pack_wasm(store, module), name, store, FAST))
    path = policy(f'artifacts: [{{match: "{registry.host}/policy/*", signed: [release, lab], need: all}}]')
    monkeypatch.setenv("WEFT_POLICY", str(path))
    monkeypatch.setenv("WEFT_CACHE", str(other.folder))
    with pytest.raises(DeniedError, match="it is not signed") as told:
        local_path(str(name))
    assert str(path) in told.value.what
    run(sign(name, RELEASE, store, FAST))
    with pytest.raises(DeniedError, match="also asks for lab"):
        local_path(str(name))
    assert References(Store()).get(name.name) is None
    run(sign(name, LAB, store, FAST))
    assert local_path(str(name)).read_bytes() == module.read_bytes()
    monkeypatch.setenv("WEFT_OFFLINE", "1")
    assert local_path(str(name)).is_file()


def test_files_of_the_hub_go_by_their_digest(policy, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with front("127.0.0.1:1", Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{hub.host}")
        reference = parse_reference("hf:org/repo/net.onnx")
        with pytest.raises(DeniedError, match="is not among those") as told:
            bring(reference, store, policy(f'artifacts: [{{match: "hf:org/*/*", digests: ["{ART}"]}}]'), hub)
        digest = "sha256:" + told.value.cure.partition("sha256:")[2][:64]
        assert References(store).get(reference.name) is None
        assert bring(reference, store, policy(f'artifacts: [{{match: "hf:org/*/*", digests: ["{digest}"]}}]'), hub)


def bring(reference: Any, store: Store, path: Path, hub: Front) -> bool:
    use = Settings(check=load_policy(path), offline=False, retry=Retry(2, 0.01, 0.02))
    return run(pull(reference, store, use)).layers[0].part.digest.startswith("sha256:") and bool(hub.asked)


@pytest.mark.parametrize("text", ["", "artifacts: {", "rules: []", "artifacts: [{match: x, signed: [nobody]}]"])
def test_a_broken_policy_lets_nothing_pass(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p.yaml").write_text(text)
    monkeypatch.setenv("WEFT_POLICY", str(tmp_path / "p.yaml"))
    with pytest.raises(WeftError):
        Settings()
