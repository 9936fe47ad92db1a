"""Keys for signatures: made, read, refused; and what openssl says of them."""

from __future__ import annotations

import base64
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.artifacts.conftest import tool
from weft.artifacts.keys import (
    MAX_FILE,
    KeyType,
    PrivateKey,
    new_key,
    parse_public,
    read_private,
    read_public,
    write_pair,
)
from weft.core.errors import DeniedError, InputError, NotFoundError, OutputError, UsageError, WeftError

TYPES: tuple[KeyType, ...] = ("ecdsa", "ed25519")
KEYS = {kind: new_key(kind) for kind in TYPES}


def openssl(*words: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([tool("openssl", "openssl"), *map(str, words)], capture_output=True, check=False)


@pytest.mark.parametrize("kind", TYPES)
def test_a_key_is_written_and_read_again(tmp_path: Path, kind: KeyType) -> None:
    path = tmp_path / "release.pem"
    public = write_pair(new_key(kind), path)
    assert public == tmp_path / "release.pub"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key, known = read_private(path), read_public(public)
    assert known.digest == key.public.digest
    assert str(known) == f"release.pub ({known.digest[7:19]})"
    assert known.made(key.sign(b"text"), b"text")
    assert not known.made(key.sign(b"text"), b"texT")
    assert not new_key(kind).public.made(key.sign(b"text"), b"text")


@pytest.mark.parametrize("kind", TYPES)
def test_openssl_reads_the_keys_and_believes_the_signatures(tmp_path: Path, kind: KeyType) -> None:
    path, text, signature = tmp_path / "k.pem", tmp_path / "text", tmp_path / "sig"
    public = write_pair(new_key(kind), path)
    text.write_bytes(b"what is signed")
    signature.write_bytes(read_private(path).sign(text.read_bytes()))
    how = ("-rawin",) if kind == "ed25519" else ("-rawin", "-digest", "sha256")
    words = ("pkeyutl", "-verify", "-pubin", "-inkey", public, *how, "-in", text, "-sigfile", signature)
    assert openssl(*words).returncode == 0
    text.write_bytes(b"what is singed")
    assert openssl(*words).returncode != 0


@pytest.mark.parametrize(
    "words",
    [
        ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        ("genpkey", "-algorithm", "ED25519"),
        ("ecparam", "-name", "prime256v1", "-genkey", "-noout"),
    ],
)
def test_openssls_keys_are_taken(tmp_path: Path, words: tuple[str, ...]) -> None:
    path, public = tmp_path / "k.pem", tmp_path / "k.pub"
    assert openssl(*words, "-out", path).returncode == 0
    assert openssl("pkey", "-in", path, "-pubout", "-out", public).returncode == 0
    assert read_public(public).made(read_private(path).sign(b"x"), b"x")


@pytest.mark.parametrize(
    "words",
    [
        ("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
        ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        ("genpkey", "-algorithm", "X25519"),
    ],
)
def test_keys_of_other_kinds_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    path, public = tmp_path / "k.pem", tmp_path / "k.pub"
    assert openssl(*words, "-out", path).returncode == 0
    assert openssl("pkey", "-in", path, "-pubout", "-out", public).returncode == 0
    with pytest.raises(InputError, match="another kind") as told:
        read_private(path)
    assert "P-256 or ed25519" in told.value.cure
    with pytest.raises(InputError, match="another kind"):
        read_public(public)


def test_a_passphrase_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "k.pem"
    write_pair(new_key(), path, "open sesame")
    assert b"ENCRYPTED" in path.read_bytes()
    asked: list[str] = []
    key = read_private(path, lambda where: asked.append(where) or "open sesame")
    assert asked == [str(path)]
    for ask in (None, lambda where: None):
        with pytest.raises(DeniedError, match="has a passphrase") as told:
            read_private(path, ask)
        assert "WEFT_KEY_PASSPHRASE" in told.value.cure
    with pytest.raises(DeniedError, match="does not open it") as told:
        read_private(path, lambda where: "open cucumber")
    assert "cucumber" not in str(told.value)
    monkeypatch.setenv("WEFT_KEY_PASSPHRASE", "open sesame")
    assert read_private(path).public.digest == key.public.digest


@pytest.mark.parametrize("boxed", ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"])
def test_cosigns_own_encryption_is_told(tmp_path: Path, boxed: str) -> None:
    path = tmp_path / "cosign.key"
    path.write_text(f"-----BEGIN {boxed}-----\nAAAA\n-----END {boxed}-----\n")
    with pytest.raises(InputError, match="cosign's own way") as told:
        read_private(path)
    assert "sign with cosign itself" in told.value.cure


def test_mixed_up_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    public = write_pair(new_key(), path)
    with pytest.raises(InputError, match="it is a private key"):
        read_public(path)
    with pytest.raises(InputError, match="it is no private key"):
        read_private(public)
    (tmp_path / "no").write_text("hello")
    for read in (read_private, read_public):
        with pytest.raises(InputError, match="no key in PEM form"):
            read(tmp_path / "no")
        with pytest.raises(NotFoundError, match="cannot be read"):
            read(tmp_path / "absent")
    (tmp_path / "no").write_bytes(b"-----BEGIN " * MAX_FILE)
    with pytest.raises(InputError, match="too large"):
        read_public(tmp_path / "no")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_text("mine")
    with pytest.raises(OutputError, match="there already") as told:
        write_pair(new_key(), tmp_path / "a.pem")
    assert str(tmp_path / "a.pub") == told.value.where
    assert not (tmp_path / "a.pem").exists()
    (tmp_path / "b.pem").write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        write_pair(new_key(), tmp_path / "b.pem")
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["mine", "mine"]
    with pytest.raises(UsageError, match="public part"):
        write_pair(new_key(), tmp_path / "c.pub")
    with pytest.raises(OutputError, match="cannot be written"):
        write_pair(new_key(), tmp_path / "no" / "d.pem")


@given(st.sampled_from(TYPES), st.binary(max_size=80))
def test_other_bytes_are_no_signature(kind: KeyType, other: bytes) -> None:
    assert not KEYS[kind].public.made(other, b"text")


@given(st.binary(max_size=200))
def test_a_broken_key_is_an_error_of_ours(middle: bytes) -> None:
    with pytest.raises(WeftError):
        parse_public(b"-----BEGIN PUBLIC KEY-----\n" + middle + b"\n-----END PUBLIC KEY-----\n", "k", "k.pub")


def test_a_key_that_openssl_itself_stumbles_over_is_an_error_of_ours(tmp_path: Path) -> None:
    """An ed25519 key with one byte too many; OpenSSL's own error is told as InternalError by cryptography."""
    der = bytes.fromhex("302f020100300506032b6570042304" + "21" + "11" * 33)
    path = tmp_path / "k.pem"
    path.write_text(f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END PRIVATE KEY-----\n")
    with pytest.raises(InputError, match="the key cannot be read"):
        read_private(path)


@given(st.sampled_from(TYPES), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_key_is_another_key_or_none(kind: KeyType, at: int, by: int) -> None:
    data = bytearray(KEYS[kind].pem())
    data[at % len(data)] ^= by
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            made: PrivateKey | None = read_private(Path(file.name), lambda where: "x")
        except WeftError:
            made = None
    same = made is not None and made.public.digest == KEYS[kind].public.digest
    assert made is None or same == KEYS[kind].public.made(made.sign(b"x"), b"x")
