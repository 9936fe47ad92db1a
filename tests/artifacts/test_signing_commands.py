"""The commands around signatures, as a new user tries them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.artifacts.conftest import Served
from tests.cli.conftest import Cli
from weft.core.resources import guest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def keys(weft: Cli) -> None:
    for name in ("release", "other"):
        assert weft("key", "new", f"{name}.pem").code == 0


@pytest.mark.parametrize("words", ["key new", "sign", "verify"])
def test_every_command_has_help_with_an_example(weft: Cli, words: str) -> None:
    done = weft(*words.split(), "--help")
    assert done.code == 0
    assert f"weft {words}" in done.out.replace("\n", " ")


def test_from_a_key_to_a_run(weft: Cli, weft_process: Cli, keys: None, registry: Served, echo: Path) -> None:
    name = f"{registry.host}/signing/echo:1"
    pushed = json.loads(weft("push", echo, name, "--sign", "release.pem", "--json").out)
    assert pushed["signature"]["added"] is True
    assert pushed["signature"]["digest"] == pushed["digest"]
    assert weft("pull", name, "--verify", "release.pub").code == 0
    done = weft_process("run", f"oci://{name}", "--verify", "release.pub", stdin=b"hello")
    assert (done.code, done.out) == (0, "hello\n"), done.err
    wrong = weft_process("run", f"oci://{name}", "--verify", "other.pub", "--json", stdin=b"hello")
    assert (wrong.code, json.loads(wrong.out)["error"]) == (77, "DeniedError")
    either = ("--verify", "other.pub", "--verify", "release.pub")
    assert weft_process("run", f"oci://{name}", *either, stdin=b"both").out == "both\n"
    signed = weft("sign", name, "--key", "other.pem", "--annotation", "build=417")
    assert "signed by other.pem" in signed.out
    assert "signatures: 2" in signed.out
    assert "was signed before" in weft("sign", name, "--key", "release.pem").out
    told = json.loads(weft("verify", name, "--key", "release.pub", "--key", "other.pub", "--all", "--json").out)
    assert told["digest"] == pushed["digest"]
    assert {"build": "417"} in [one.get("optional") for one in told["signatures"]]
    *_, last = weft("verify", name, "--key", "release.pub").out.split("\n  ")
    assert (last.startswith("signed by release.pub"), last.count("\n")) == (True, 1)


def test_what_is_not_signed_is_told_with_its_cure(weft: Cli, keys: None, registry: Served, echo: Path) -> None:
    name = f"{registry.host}/signing/bare:1"
    weft("push", echo, name)
    for words in (("verify", name, "--key"), ("pull", name, "--verify"), ("run", f"oci://{name}", "--verify")):
        done = weft(*words, "release.pub")
        assert (done.code, "it is not signed" in done.err, "cure: weft sign" in done.err) == (77, True, True), done.err


def test_models_are_signed_and_checked(weft: Cli, keys: None, registry: Served, data: Path) -> None:
    name, model = f"{registry.host}/signing/identity:1", data / "models" / "identity.onnx"
    pushed = weft("model", "push", model, name, "--sign", "release.pem")
    assert "signed by release.pem" in pushed.out
    assert weft("model", "pull", name, "--verify", "release.pub").code == 0
    assert weft("model", "pull", name, "--verify", "other.pub").code == 77
    assert weft("model", "show", f"oci://{name}", "--verify", "release.pub").code == 0
    assert weft("model", "show", f"oci://{name}", "--verify", "other.pub").code == 77
    assert [one["kind"] for one in json.loads(weft("model", "list", "--json").out)] == ["model"]


def test_models_of_a_run_are_checked_too(weft: Cli, keys: None, registry: Served, data: Path) -> None:
    name = f"{registry.host}/signing/net:1"
    weft("model", "push", data / "models" / "identity.onnx", name)
    done = weft("run", guest("classify"), "--model", f"net=oci://{name}", "--verify", "release.pub")
    assert (done.code, "it is not signed" in done.err) == (77, True)
    nothing = weft("run", guest("classify"), "--verify", "release.pub")
    assert (nothing.code, "nothing of this comes from a registry" in nothing.err) == (64, True)


def test_a_policy_is_enforced_by_every_command(
    weft: Cli,
    weft_process: Cli,
    keys: None,
    registry: Served,
    echo: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"{registry.host}/signing/policed:1"
    weft("push", echo, name)
    policy = Path("policy.yaml")
    policy.write_text(
        f'signers: {{release: release.pub}}\nartifacts: [{{match: "{registry.host}/signing/**", signed: [release]}}]\n'
    )
    assert "policy.yaml: right; 1 rule" in weft("validate", policy).out
    assert json.loads(weft("validate", policy, "--json").out)["otherwise"] == "deny"
    assert weft("pull", name, "--policy", policy).code == 77
    assert weft("pull", name).code == 0
    monkeypatch.setenv("WEFT_POLICY", str(policy.absolute()))
    assert weft("pull", name).code == 77
    assert weft_process("run", f"oci://{name}", stdin=b"x").code == 77
    assert weft_process("run", f"oci://{name}", "--verify", "other.pub", stdin=b"x").code == 77
    assert weft("verify", name).code == 77
    weft("sign", name, "--key", "release.pem")
    assert weft_process("run", f"oci://{name}", stdin=b"x").out == "x\n"
    assert weft("verify", name).out.endswith("\n  the policy allows it\n")
    assert weft("model", "pull", "hf:org/repo/net.onnx").code != 0


def test_verify_needs_something_to_check_with(weft: Cli) -> None:
    done = weft("verify", "registry.example/ml/net:1")
    assert (done.code, "--key" in done.err) == (64, True)


def test_a_wrong_key_is_told_before_anything_is_sent(weft: Cli, keys: None, registry: Served, echo: Path) -> None:
    name = f"{registry.host}/signing/unsent:1"
    done = weft("push", echo, name, "--sign", "release.pub")
    assert (done.code, "it is no private key" in done.err) == (65, True)
    assert weft("pull", name).code == 66


def test_a_key_with_a_passphrase(weft: Cli, registry: Served, echo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weft("key", "new", "k.pem", "--passphrase").code == 64
    monkeypatch.setenv("WEFT_KEY_PASSPHRASE", "open sesame")
    made = json.loads(weft("key", "new", "k.pem", "--type", "ed25519", "--json").out)
    assert made["type"] == "ed25519"
    name = f"{registry.host}/signing/secret:1"
    assert weft("push", echo, name, "--sign", "k.pem").code == 0
    assert weft("verify", name, "--key", "k.pub").code == 0
    monkeypatch.delenv("WEFT_KEY_PASSPHRASE")
    done = weft("sign", name, "--key", "k.pem")
    assert (done.code, "the key has a passphrase" in done.err) == (77, True)


def typed(words: list[str], lines: list[bytes]) -> int:
    """Run a command on a terminal, and type a line whenever it asks for a passphrase; its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "weft", *words])
    said, waiting = b"", list(lines)
    while True:
        try:
            piece = os.read(terminal, 1024)
        except OSError:
            break
        if not piece:
            break
        said += piece
        while waiting and said.count(b"passphrase of") > len(lines) - len(waiting):
            os.write(terminal, waiting.pop(0) + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_passphrase_is_typed_twice(tmp_path: Path) -> None:
    make = ["key", "new", "t.pem", "--passphrase"]
    assert typed(make, [b"one", b"two"]) == 64
    assert not Path("t.pem").exists()
    assert typed(make, [b"one", b"one"]) == 0
    words = ["openssl", "pkey", "-in", "t.pem", "-passin", "pass:one", "-noout"]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
