"""Signatures in a real registry: made, checked, tampered with; and cosign's, as openssl makes them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.artifacts.conftest import FAST, Served, tool
from weft.artifacts.digest import Descriptor, digest_of
from weft.artifacts.keys import PublicKey, new_key, read_public, write_pair
from weft.artifacts.kinds import SIGNATURE_LAYER
from weft.artifacts.local import run
from weft.artifacts.manifest import INDEX, MANIFEST
from weft.artifacts.payload import Payload, canonical, parse_payload, same_identity
from weft.artifacts.policy import Verify
from weft.artifacts.pull import look_up, pull
from weft.artifacts.push import pack_model, pack_wasm, push
from weft.artifacts.reference import OciReference, parse_oci
from weft.artifacts.references import References
from weft.artifacts.settings import Retry, Settings
from weft.artifacts.sign import sign
from weft.artifacts.signature import KEY, SIGNATURE, Demand, Flaw, Signed, check_signed, judge, signature_tag
from weft.artifacts.store import Store
from weft.core.errors import DeniedError, InputError, WeftError

OURS, THEIRS = new_key("ecdsa"), new_key("ed25519")
CONFIG = "application/vnd.oci.image.config.v1+json"


def settings(*keys: PublicKey, offline: bool = False, **given: Any) -> Settings:
    """Whatever comes must be signed."""
    check = Verify(keys) if keys else Checking(**given)
    return Settings(check=check, offline=offline, retry=Retry(2, 0.01, 0.02), patience_s=10.0)


class Checking:
    """A check of one demand, which keeps what it found."""

    def __init__(self, **given: Any) -> None:
        self.demand, self.found = Demand(**given), ()

    async def __call__(self, subject: Any) -> None:
        self.found = await check_signed(subject, self.demand)


@pytest.fixture
def pushed(registry: Served, store: Store, module: Path, tmp_path: Path) -> OciReference:
    """A function in a repository of its own."""
    module.write_bytes(module.read_bytes() + b"\0\x09\x08" + tmp_path.name[-7:].rjust(7).encode() + b"!")
    name = registry.name(f"signed/{tmp_path.name.strip('_').lower()}:1")
    run(push(pack_wasm(store, module), name, store, FAST))
    return name


def refused(reference: OciReference, store: Store, use: Settings, words: str, *, refresh: bool = True) -> DeniedError:
    with pytest.raises(DeniedError, match=words) as told:
        run(pull(reference, store, use, refresh=refresh))
    assert told.value.cure
    assert told.value.where.startswith("oci://")
    return told.value


def put(reference: OciReference, name: str, layers: list[tuple[bytes, str, Mapping[str, str]]]) -> None:
    """What another tool would put there, over plain HTTP and without Weft's own code."""
    base = f"http://{reference.host}/v2/{reference.repository}"
    config = b"{}"
    for blob in (config, *(raw for raw, _, _ in layers)):
        begun = httpx.post(f"{base}/blobs/uploads/").headers["location"]
        done = httpx.put(httpx.URL(begun).copy_merge_params({"digest": digest_of(blob)}), content=blob)
        assert done.status_code == 201, done.text
    parts = [
        {"mediaType": kind, "size": len(raw), "digest": digest_of(raw), "annotations": dict(notes)}
        for raw, kind, notes in layers
    ]
    whole = {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": whole, "layers": parts}
    done = httpx.put(f"{base}/manifests/{name}", content=json.dumps(document), headers={"Content-Type": MANIFEST})
    assert done.status_code == 201, done.text


def beside(reference: OciReference, digest: str) -> dict[str, Any]:
    """The manifest of its signatures, as the registry has it."""
    url = f"http://{reference.host}/v2/{reference.repository}/manifests/{signature_tag(digest)}"
    found: dict[str, Any] = httpx.get(url, headers={"Accept": MANIFEST}).json()
    return found


@pytest.mark.parametrize("key", [OURS, THEIRS], ids=["ecdsa", "ed25519"])
def test_what_is_signed_is_used_and_what_is_not_is_not(pushed, store: Store, other: Store, key) -> None:
    told = refused(pushed, other, settings(key.public), "it is not signed")
    assert "weft sign" in told.cure
    done = run(sign(pushed, key, store, FAST))
    assert (done.added, done.count, done.identity) == (True, 1, f"{pushed.host}/{pushed.repository}")
    assert run(pull(pushed, other, settings(key.public))).entry.digest == done.digest
    assert run(pull(pushed, other, settings(key.public, offline=True))).fetched == 0


def test_nothing_of_what_is_refused_is_kept_under_its_name(pushed, store: Store, other: Store) -> None:
    run(sign(pushed, THEIRS, store, FAST))
    refused(pushed, other, settings(OURS.public), "signed by another key")
    assert References(other).get(pushed.name) is None
    digest = References(store).get(pushed.name)
    assert digest is not None
    run(pull(pushed, other, FAST))
    pinned = parse_oci(f"{pushed.place}@{digest.digest}")
    refused(pinned, other, settings(OURS.public), "signed by another key")
    assert References(other).get(pinned.name) is None
    refused(pushed, other, settings(OURS.public), "signed by another key", refresh=False)


def test_signatures_are_appended_and_not_replaced(pushed, store: Store, other: Store) -> None:
    first = run(sign(pushed, OURS, store, FAST, optional={"build": "417"}))
    assert run(sign(pushed, THEIRS, other, FAST)).count == 2
    again = run(sign(pushed, THEIRS, other, FAST))
    assert (again.added, again.count) == (False, 2)
    manifest = beside(pushed, first.digest)
    assert [layer["mediaType"] for layer in manifest["layers"]] == [SIGNATURE_LAYER] * 2
    both = settings(keys=(OURS.public, THEIRS.public), every=True)
    run(look_up(pushed, other, both))
    assert isinstance(both.check, Checking)
    assert {one.key.digest for one in both.check.found} == {OURS.public.digest, THEIRS.public.digest}
    assert {"build": "417"} in [one.optional for one in both.check.found]


def test_every_key_that_is_demanded_must_have_signed(pushed, store: Store, other: Store) -> None:
    run(sign(pushed, OURS, store, FAST))
    keys = (OURS.public, THEIRS.public)
    assert run(pull(pushed, other, settings(keys=keys))).kind == "wasm"
    told = refused(pushed, other, settings(keys=keys, every=True), "also asks for")
    assert str(THEIRS.public) in told.what
    run(sign(pushed, THEIRS, store, FAST))
    assert run(pull(pushed, other, settings(keys=keys, every=True), refresh=False)).fetched == 0


def test_our_signature_is_one_to_openssl(pushed, store: Store, tmp_path: Path) -> None:
    public = write_pair(OURS, tmp_path / "k.pem")
    done = run(sign(pushed, OURS, store, FAST))
    [layer] = beside(pushed, done.digest)["layers"]
    blob = httpx.get(f"http://{pushed.host}/v2/{pushed.repository}/blobs/{layer['digest']}").content
    (tmp_path / "payload").write_bytes(blob)
    (tmp_path / "sig").write_bytes(base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]))
    words = ["dgst", "-sha256", "-verify", public, "-signature", tmp_path / "sig", tmp_path / "payload"]
    done_ = subprocess.run([tool("openssl", "openssl"), *map(str, words)], capture_output=True, text=True, check=False)
    assert done_.stdout == "Verified OK\n", done_.stderr
    document = json.loads(blob)
    assert document == {
        "critical": {
            "identity": {"docker-reference": f"{pushed.host}/{pushed.repository}"},
            "image": {"docker-manifest-digest": done.digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }


def cosigned(reference: OciReference, digest: str, folder: Path, identity: str = "") -> Path:
    """Sign as cosign does, with openssl in its place: ``cosign sign --key cosign.key --tlog-upload=false``."""
    openssl = tool("openssl", "openssl")
    secret, public = folder / "cosign.pem", folder / "cosign.pub"
    curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", secret]
    for words in (curve, ["pkey", "-in", secret, "-pubout", "-out", public]):
        subprocess.run([openssl, *map(str, words)], check=True, capture_output=True)
    name = identity or f"{reference.host}/{reference.repository}"
    payload = (
        f'{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},'
        '"type":"cosign container image signature"},"optional":{"creator":"cosign","timestamp":1700000000}}'
    )
    words = ["dgst", "-sha256", "-sign", str(secret)]
    signature = subprocess.run([openssl, *words], input=payload.encode(), capture_output=True, check=True).stdout
    notes = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
    layer = (payload.encode(), "application/vnd.dev.cosign.simplesigning.v1+json", notes)
    put(reference, "sha256-" + digest.removeprefix("sha256:") + ".sig", [layer])
    return public


def test_what_cosign_signed_is_believed_and_gets_ours_beside_it(pushed, store: Store, other: Store, tmp_path) -> None:
    digest = str(run(look_up(pushed, other, FAST)).digest)
    theirs = read_public(cosigned(pushed, digest, tmp_path))
    use = settings(keys=(theirs,))
    assert run(pull(pushed, other, use)).entry.digest == digest
    assert isinstance(use.check, Checking)
    assert use.check.found[0].optional == {"creator": "cosign", "timestamp": 1700000000}
    told = refused(pushed, store, settings(OURS.public), "no signature is by")
    assert "another key signed, or what was signed has been changed" in told.what
    assert run(sign(pushed, OURS, store, FAST)).count == 2
    run(look_up(pushed, other, settings(keys=(theirs, OURS.public), every=True)))


def test_a_signature_for_another_name_is_refused_unless_that_is_stated(pushed, other: Store, tmp_path: Path) -> None:
    digest = str(run(look_up(pushed, other, FAST)).digest)
    key = read_public(cosigned(pushed, digest, tmp_path, "upstream.example/ml/net"))
    told = refused(pushed, other, settings(key), "signed it for 'upstream.example/ml/net'")
    assert "state that name" in told.cure
    assert run(pull(pushed, other, settings(keys=(key,), identity="upstream.example/ml/net"))).kind == "wasm"


def test_a_replaced_artifact_is_refused(pushed, store: Store, other: Store, tmp_path: Path) -> None:
    first = run(sign(pushed, OURS, store, FAST))
    run(pull(pushed, other, settings(OURS.public)))
    (tmp_path / "evil.onnx").write_bytes(b"evil")
    evil = run(push(pack_model(store, [tmp_path / "evil.onnx"]), pushed, store, FAST)).entry.digest
    refused(pushed, other, settings(OURS.public), "it is not signed")
    old = beside(pushed, first.digest)["layers"][0]
    raw = store.read(old["digest"], 1 << 20)
    put(pushed, signature_tag(evil), [(raw, SIGNATURE_LAYER, old["annotations"])])
    told = refused(pushed, other, settings(OURS.public), f"is of {first.digest}, not of {evil}")
    assert "do not use it" in told.cure
    kept = References(other).get(pushed.name)
    assert kept is not None
    assert kept.digest == first.digest
    assert run(pull(pushed, other, settings(OURS.public), refresh=False)).kind == "wasm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw, notes: (raw.replace(b"critical", b"kritical"), notes), "it or what was signed has been changed"),
        (lambda raw, notes: (raw, {**notes, SIGNATURE: "!"}), "its signature cannot be read"),
        (lambda raw, notes: (raw, {KEY: notes[KEY]}), "its signature cannot be read"),
        (lambda raw, notes: (raw, {**notes, SIGNATURE: "AAAA", KEY: "sha256:" + "ab" * 32}), "another key"),
    ],
    ids=["payload", "base64", "none", "key"],
)
def test_what_was_changed_is_refused(pushed, store: Store, other: Store, change, words: str) -> None:
    done = run(sign(pushed, OURS, store, FAST))
    [layer] = beside(pushed, done.digest)["layers"]
    raw, notes = change(store.read(layer["digest"], 1 << 20), layer["annotations"])
    put(pushed, signature_tag(done.digest), [(raw, SIGNATURE_LAYER, notes)])
    refused(pushed, other, settings(OURS.public), words)


def test_a_payload_changed_in_the_registrys_store_is_refused(registry, pushed, store: Store, other: Store) -> None:
    done = run(sign(pushed, OURS, store, FAST))
    [layer] = beside(pushed, done.digest)["layers"]
    file = registry.blob(layer["digest"])
    file.write_bytes(file.read_bytes().replace(b"ml", b"lm").replace(b"cosign", b"sogcin"))
    with pytest.raises(WeftError) as told:
        run(pull(pushed, other, settings(OURS.public)))
    assert told.value.cure
    assert References(other).get(pushed.name) is None


def test_what_is_no_signature_under_its_tag_is_told(pushed, store: Store, other: Store, tmp_path: Path) -> None:
    digest = run(look_up(pushed, other, FAST)).digest
    put(pushed, signature_tag(digest), [(b"x", "application/x", {})])
    refused(pushed, other, settings(OURS.public), "it is not signed")
    with pytest.raises(InputError, match="something else than signatures") as told:
        run(sign(pushed, OURS, store, FAST))
    assert "delete that tag" in told.value.cure


def test_a_good_signature_in_the_store_outlives_a_bad_one_in_the_registry(pushed, store: Store, other: Store) -> None:
    done = run(sign(pushed, OURS, store, FAST))
    run(pull(pushed, other, settings(OURS.public)))
    put(pushed, signature_tag(done.digest), [(b"x", SIGNATURE_LAYER, {SIGNATURE: "AAAA"})])
    assert run(pull(pushed, other, settings(OURS.public))).entry.digest == done.digest
    assert run(pull(pushed, other, settings(OURS.public, offline=True))).entry.digest == done.digest


def test_a_signature_made_later_is_found_at_the_next_use(pushed, store: Store, other: Store) -> None:
    run(sign(pushed, THEIRS, store, FAST))
    run(pull(pushed, other, settings(THEIRS.public)))
    refused(pushed, other, settings(OURS.public), "another key", refresh=False)
    run(sign(pushed, OURS, store, FAST))
    assert run(pull(pushed, other, settings(OURS.public), refresh=False)).fetched == 0
    with pytest.raises(DeniedError, match="another key"):
        run(pull(pushed, other, settings(new_key().public, offline=True)))


def test_an_index_is_signed_by_its_own_digest_or_the_manifests(pushed, store: Store, other: Store) -> None:
    inner = run(look_up(pushed, other, FAST))
    entry = {"mediaType": MANIFEST, "digest": inner.digest, "size": len(inner.manifest.raw)}
    document = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    url = f"http://{pushed.host}/v2/{pushed.repository}/manifests/many"
    assert httpx.put(url, content=document, headers={"Content-Type": INDEX}).status_code == 201
    many = pushed.tagged("many")
    refused(many, other, settings(OURS.public), "it is not signed")
    done = run(sign(many, OURS, store, FAST))
    assert done.digest == digest_of(document.encode())
    assert run(pull(many, other, settings(OURS.public))).manifest.digest == inner.digest
    refused(many, other, settings(THEIRS.public), "another key")
    run(sign(pushed, THEIRS, store, FAST))
    assert run(pull(many, other, settings(THEIRS.public))).manifest.digest == inner.digest


def test_what_is_not_there_cannot_be_signed(registry: Served, store: Store) -> None:
    with pytest.raises(WeftError) as told:
        run(sign(registry.name("signed/absent:1"), OURS, store, FAST))
    assert told.value.exit_code == 66


# Without a registry: every byte counts.

REFERENCE = parse_oci("registry.example/ml/classify:1.2")
DIGEST = digest_of(b"the manifest")


def part(payload: bytes, signature: bytes, **notes: str) -> Descriptor:
    said = {SIGNATURE: base64.b64encode(signature).decode(), **notes}
    return Descriptor(SIGNATURE_LAYER, digest_of(payload), len(payload), said)


GOOD = Payload("registry.example/ml/classify", DIGEST).raw()
SIGNED = {key.public.digest: key.sign(GOOD) for key in (OURS, THEIRS)}
BOTH = Demand((OURS.public, THEIRS.public))


@pytest.mark.parametrize("key", [OURS, THEIRS], ids=["ecdsa", "ed25519"])
def test_a_good_one_holds(key) -> None:
    found = judge(REFERENCE, DIGEST, part(GOOD, SIGNED[key.public.digest]), GOOD, BOTH)
    assert isinstance(found, Signed)
    assert found.key.digest == key.public.digest


def changed(data: bytes, at: int, by: int) -> bytes:
    made = bytearray(data)
    made[at % len(made)] ^= by
    return bytes(made)


@given(st.sampled_from(sorted(SIGNED)), st.integers(0, 10_000), st.integers(1, 255))
def test_any_byte_of_the_payload_counts(key: str, at: int, by: int) -> None:
    raw = changed(GOOD, at, by)
    assert isinstance(judge(REFERENCE, DIGEST, part(raw, SIGNED[key]), raw, BOTH), Flaw)


@given(st.sampled_from(sorted(SIGNED)), st.integers(0, 10_000), st.integers(1, 255))
def test_any_byte_of_the_signature_counts(key: str, at: int, by: int) -> None:
    assert isinstance(judge(REFERENCE, DIGEST, part(GOOD, changed(SIGNED[key], at, by)), GOOD, BOTH), Flaw)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_any_byte_of_the_manifest_counts(at: int, by: int) -> None:
    digest = digest_of(changed(b"the manifest", at, by))
    found = judge(REFERENCE, digest, part(GOOD, SIGNED[OURS.public.digest]), GOOD, BOTH)
    assert isinstance(found, Flaw)
    assert f"is of {DIGEST}, not of {digest}" in found.what


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["critical", "identity", "image", "type", "docker-reference", "docker-manifest-digest", "x"]
            ),
            inner,
        ),
    )
)
def test_what_is_signed_but_says_nothing_of_an_artifact_is_refused(data: Any) -> None:
    raw = json.dumps(data).encode()
    found = judge(REFERENCE, DIGEST, part(raw, OURS.sign(raw)), raw, BOTH)
    assert isinstance(found, Flaw)
    assert "no statement" in found.what


@given(st.binary(max_size=300))
def test_any_bytes_are_a_payload_or_none(raw: bytes) -> None:
    assert parse_payload(raw) is None


@pytest.mark.parametrize(
    ("signed", "wanted", "tag", "same"),
    [
        ("registry.example/ml/a", "registry.example/ml/a", "1", True),
        ("REGISTRY.example/ml/a", "registry.example/ml/a", "1", True),
        ("registry.example:443/ml/a", "registry.example/ml/a", "1", True),
        ("registry.example/ml/a:1", "registry.example/ml/a", "1", True),
        ("registry.example/ml/a:1", "registry.example/ml/a", "2", False),
        ("registry.example/ml/a:1", "registry.example/ml/a", "", True),
        ("registry.example/ml/a@sha256:00", "registry.example/ml/a", "1", True),
        ("localhost:5000/ml/a", "localhost:5000/ml/a", "1", True),
        ("localhost:5001/ml/a", "localhost:5000/ml/a", "1", False),
        ("localhost:5000/ml/a:2", "localhost:5000/ml/a", "1", False),
        ("index.docker.io/library/a", "docker.io/a", "1", True),
        ("registry.example/ml/ab", "registry.example/ml/a", "1", False),
        ("registry.example/ml", "registry.example/ml/a", "1", False),
        ("ml/a", "registry.example/ml/a", "1", False),
        ("", "registry.example/ml/a", "1", False),
    ],
)
def test_names_are_compared_as_wholes(signed: str, wanted: str, tag: str, same: bool) -> None:
    assert same_identity(signed, wanted, tag) is same


def test_a_name_has_one_way_of_writing() -> None:
    assert canonical("docker.io/a") == "index.docker.io/library/a"
    assert canonical("Registry.Example:443/ml/a") == "registry.example/ml/a"
