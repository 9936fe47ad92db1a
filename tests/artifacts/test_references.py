"""How artifacts are written, and what they are."""

from __future__ import annotations

import json

import pytest

from weft.artifacts.digest import Descriptor, digest_of
from weft.artifacts.kinds import kind_of
from weft.artifacts.manifest import MANIFEST, Manifest, parse_manifest
from weft.artifacts.reference import HubReference, OciReference, UrlReference, is_local, parse_reference
from weft.artifacts.view import main_file
from weft.core.errors import InputError, NotFoundError, UsageError, WeftError
from weft.core.remote import is_remote

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci://r.example/a/b:1.2", OciReference("r.example", "a/b", "1.2")),
        ("r.example/a:1", OciReference("r.example", "a", "1")),
        ("localhost/a:1", OciReference("localhost", "a", "1")),
        ("localhost:5000/a/b/c:1", OciReference("localhost:5000", "a/b/c", "1")),
        ("[::1]:5000/a:1", OciReference("[::1]:5000", "a", "1")),
        (f"r.example/a@sha256:{HEX}", OciReference("r.example", "a", "", f"sha256:{HEX}")),
        (f"r.example/a:1@sha256:{HEX}", OciReference("r.example", "a", "1", f"sha256:{HEX}")),
        ("oci://r.example/a:1#dir/net.onnx", OciReference("r.example", "a", "1", "", "dir/net.onnx")),
        ("hf:org/repo/net.onnx", HubReference("org/repo", "net.onnx")),
        ("hf:org/repo/onnx/net.onnx@v1.0", HubReference("org/repo", "onnx/net.onnx", "v1.0")),
        (f"https://x.example/a/b.onnx#sha256={HEX}", UrlReference("https://x.example/a/b.onnx", f"sha256:{HEX}")),
    ],
)
def test_references_are_read_and_written(text: str, expected: object) -> None:
    found = parse_reference(text, bare=True)
    assert found == expected
    assert parse_reference(str(found)) == expected
    assert is_remote(str(found))


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("classify:1", "oci://registry.example"),
        ("r.example/a", "oci://registry.example"),
        ("r.example/A:1", "small letters"),
        ("r.example/a:b c", "letters"),
        ("r.example/../a:1", "small letters"),
        ("r.example/a@sha256:1", "64 hex"),
        ("r.example/a@md5:11", "sha256 alone"),
        ("user:pass@r.example/a:1", "oci://"),
        ("hf:repo/net.onnx", "hf:org/repo"),
        ("hf:org/repo/../net.onnx", "hf:org/repo"),
        ("hf:org/repo/net.onnx@a b", "hf:org/repo"),
        ("https://x.example/a.onnx", "sha256sum"),
        ("https://x.example/a.onnx#sha256=1", "64 hex"),
        (f"https://me:secret@x.example/a#sha256={HEX}", "leave it out"),
        ("x" * 2000, "oci://"),
        ("oci://r.example/a:1\x1b", "oci://"),
    ],
)
def test_what_is_no_reference_is_told_with_its_cure(text: str, cure: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_reference(text, bare=True)
    assert cure in told.value.cure
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("text", ["classify.wasm", "./oci/x", "weft:classify", "C:/x", "hf/x"])
def test_paths_are_no_references(text: str) -> None:
    assert not is_remote(text)


def manifest(*layers: tuple[str, dict[str, str]], config: str = "application/vnd.oci.empty.v1+json") -> Manifest:
    blob = {"digest": digest_of(b"{}"), "size": 2}
    entries = [{"mediaType": kind, "annotations": notes, **blob} for kind, notes in layers]
    data = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": config, **blob}, "layers": entries}
    made = parse_manifest(json.dumps(data).encode(), "here")
    assert isinstance(made, Manifest)
    return made


TITLE = "org.opencontainers.image.title"
MODEL = "application/vnd.cncf.model"
KIT = "application/vnd.kitops.modelkit"
PATH = "org.cncf.model.filepath"


@pytest.mark.parametrize(
    ("layers", "kind", "files"),
    [
        ([("application/wasm", {})], "wasm", [("module", "raw", "tiny.wasm")]),
        ([("application/wasm", {TITLE: "x.wasm"})], "wasm", [("module", "raw", "x.wasm")]),
        ([("application/vnd.module.wasm.content.layer.v1+wasm", {})], "wasm", [("module", "raw", "tiny.wasm")]),
        (
            [(f"{MODEL}.weight.v1.raw", {PATH: "a.onnx"}), (f"{MODEL}.weight.config.v1.tar+gzip", {PATH: "x"})],
            "model",
            [("weight", "raw", "a.onnx"), ("weight.config", "tar+gzip", "")],
        ),
        ([(f"{MODEL}.doc.v1.tar+zstd", {})], "model", [("doc", "tar+zstd", "")]),
        ([(f"{KIT}.model.v1.tar+gzip", {}), (f"{KIT}.docs.v1.tar", {})], "modelkit", None),
        ([("application/vnd.kitops.model.content.v1.tar+gzip", {})], "modelkit", [("model", "tar+gzip", "")]),
        ([("application/octet-stream", {TITLE: "net.onnx"})], "files", [("file", "raw", "net.onnx")]),
        (
            [("application/vnd.oci.image.layer.v1.tar+gzip", {TITLE: "net", "io.deis.oras.content.unpack": "true"})],
            "files",
            [("file", "tar+gzip", "")],
        ),
    ],
)
def test_artifacts_of_others_are_known(layers, kind: str, files) -> None:
    found, parts = kind_of(manifest(*layers), "oci://r.example/ml/tiny:1")
    assert found == kind
    assert files is None or [(part.role, part.packing, part.name) for part in parts] == files


@pytest.mark.parametrize(
    ("layers", "config", "told"),
    [
        ([("application/x-thing", {})], "application/x", ["no function", "application/x-thing"]),
        ([("application/x-thing", {TITLE: "a"})], "application/vnd.oci.image.config.v1+json", ["container image"]),
        ([], "application/x", ["no function", "none"]),
        ([("application/wasm", {}), ("application/wasm", {})], "application/x", ["one layer", "application/wasm"]),
        ([(f"{MODEL}.weight.v1.raw", {})], "application/x", ["has no name", PATH]),
        ([(f"{MODEL}.weight.v1.raw", {PATH: "a"}), ("application/y", {})], "application/x", ["application/y"]),
    ],
)
def test_what_is_unknown_is_told_with_what_is_there(layers, config: str, told: list[str]) -> None:
    with pytest.raises(InputError) as error:
        kind_of(manifest(*layers, config=config), "here")
    assert all(words in str(error.value) for words in told)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["net.onnx"], "net.onnx"),
        (["net.onnx", "net.onnx.data", "labels.txt"], "net.onnx"),
        (["net.xml", "net.bin"], "net.xml"),
        (["sm/saved_model.pb", "sm/variables/variables.index"], "sm"),
        (["classify.yaml", "labels.txt"], "classify.yaml"),
        (["a.onnx", "b.onnx"], None),
        (["a.txt", "b.txt"], None),
    ],
)
def test_the_file_that_is_meant_is_found(tmp_path, names: list[str], expected: str | None) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if expected is None:
        with pytest.raises(NotFoundError) as told:
            main_file(tmp_path, (), "", "oci://r.example/a:1")
        assert f"oci://r.example/a:1#{names[0]}" in told.value.cure
    else:
        assert main_file(tmp_path, (), "", "here") == tmp_path / expected
    assert main_file(tmp_path, (), names[0], "here") == tmp_path / names[0]
    for wrong in ("no", "../x", "/etc/passwd"):
        with pytest.raises(WeftError):
            main_file(tmp_path, (), wrong, "here")


def test_a_descriptor_is_written_as_it_was() -> None:
    part = Descriptor("application/x", digest_of(b"x"), 1, {TITLE: "x"})
    assert part.record() == {
        "mediaType": "application/x",
        "digest": part.digest,
        "size": 1,
        "annotations": {TITLE: "x"},
    }


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:80", "[::1]", "[::1]:5000"])
def test_this_machine_has_plain_names(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["localhost:80@evil.example", "localhost:evil.example", "evil.example:80", "localhost.example"]
)
def test_what_only_looks_like_this_machine_is_another(host: str) -> None:
    assert not is_local(host)
