"""What other programs push, we read; what we push, they read: oras, skopeo, and the layouts of wkg and KitOps."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.artifacts.conftest import FAST, Served, tool
from weft.artifacts.digest import Descriptor, digest_of
from weft.artifacts.local import run
from weft.artifacts.manifest import MANIFEST, Manifest, parse_manifest, write_json
from weft.artifacts.pull import file_of, files_of, pull
from weft.artifacts.push import Packed, pack_model, pack_wasm, push
from weft.artifacts.store import Store
from weft.core.errors import InputError

ORAS = """
import sys
import oras.client
client = oras.client.OrasClient(insecure=True)
target, folder, *files = sys.argv[2:]
if sys.argv[1] == "push":
    client.push(target=target, files=files, disable_path_validation=True, quiet=True)
else:
    client.pull(target=target, outdir=folder)
"""


def oras(verb: str, target: str, folder: Path, *files: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", ORAS, verb, target, str(folder), *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_oras_pushes_is_pulled(registry: Served, other: Store, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"net" * 1000)
    (tmp_path / "labels.txt").write_text("a\n")
    oras("push", f"{registry.host}/oras/files:1", tmp_path, "net.onnx:application/x-onnx", "labels.txt:text/plain")
    found = run(pull(registry.name("oras/files:1"), other, FAST))
    assert found.kind == "files"
    assert file_of(found, other).read_bytes() == b"net" * 1000
    assert (files_of(found, other) / "labels.txt").read_text() == "a\n"


def test_a_folder_that_oras_pushes_is_unpacked(registry: Served, other: Store, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "a.onnx").write_bytes(b"net")
    oras("push", f"{registry.host}/oras/folder:1", tmp_path, "net")
    found = run(pull(registry.name("oras/folder:1"), other, FAST))
    assert file_of(found, other).name == "a.onnx"
    assert file_of(found, other).read_bytes() == b"net"


def test_oras_pulls_what_we_push(registry: Served, store: Store, module: Path, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"net")
    run(push(pack_model(store, [tmp_path / "net.onnx"]), registry.name("oras/model:1"), store, FAST))
    run(push(pack_wasm(store, module), registry.name("oras/module:1"), store, FAST))
    out = tmp_path / "out"
    out.mkdir()
    oras("pull", f"{registry.host}/oras/model:1", out)
    oras("pull", f"{registry.host}/oras/module:1", out)
    assert (out / "net.onnx").read_bytes() == b"net"
    assert (out / "tiny.wasm").read_bytes() == module.read_bytes()


def test_skopeo_looks_and_copies(registry: Served, store: Store, other: Store, module: Path, tmp_path: Path) -> None:
    skopeo = tool("skopeo", "skopeo")
    sent = run(push(pack_wasm(store, module), registry.name("skopeo/tiny:1"), store, FAST))
    at = f"docker://{registry.host}/skopeo/tiny"
    raw = subprocess.run([skopeo, "inspect", "--tls-verify=false", "--raw", f"{at}:1"], capture_output=True, check=True)
    assert digest_of(raw.stdout) == sent.entry.digest
    insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    subprocess.run([skopeo, "copy", *insecure, f"{at}:1", f"{at}-copy:2"], capture_output=True, check=True)
    found = run(pull(registry.name("skopeo/tiny-copy:2"), other, FAST))
    assert found.entry.digest == sent.entry.digest
    subprocess.run([skopeo, "copy", *insecure, f"{at}:1", f"dir:{tmp_path / 'copy'}"], capture_output=True, check=True)
    layer = sent.manifest.layers[0].digest[7:]
    assert (tmp_path / "copy" / layer).read_bytes() == module.read_bytes()


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_", "."))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def artifact(store: Store, config: tuple[str, bytes], *layers: tuple[str, bytes], **more: object) -> Packed:
    """An artifact laid out as another tool does."""

    def part(kind: str, data: bytes) -> dict[str, object]:
        blob = store.add(data)
        return Descriptor(kind, blob.digest, blob.size).record()

    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": part(*config), **more}
    raw = write_json({**document, "layers": [part(*layer) for layer in layers]})
    store.add(raw)
    manifest = parse_manifest(raw, "test")
    assert isinstance(manifest, Manifest)
    return Packed(manifest)


def test_a_modelkit_of_kitops_is_pulled(registry: Served, store: Store, other: Store) -> None:
    kitfile = {"manifestVersion": "1.0.0", "package": {"name": "net"}, "model": {"path": "net.onnx"}}
    packed = artifact(
        store,
        ("application/vnd.kitops.modelkit.config.v1+json", json.dumps(kitfile).encode()),
        ("application/vnd.kitops.modelkit.model.v1.tar+gzip", archive(net_onnx=b"net")),
        ("application/vnd.kitops.modelkit.docs.v1.tar+gzip", archive(docs__README_md=b"# net")),
    )
    run(push(packed, registry.name("kit/net:1"), store, FAST))
    found = run(pull(registry.name("kit/net:1"), other, FAST))
    assert found.kind == "modelkit"
    assert file_of(found, other).read_bytes() == b"net"
    assert (files_of(found, other) / "docs/README.md").read_bytes() == b"# net"


def test_a_component_as_wkg_pushes_it_is_pulled(registry: Served, store: Store, other: Store) -> None:
    config = {"created": "2024-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": []}
    packed = artifact(
        store,
        ("application/vnd.wasm.config.v0+json", json.dumps(config).encode()),
        ("application/wasm", b"\0asm\x0d\0\x01\0"),
        annotations={"org.opencontainers.image.version": "0.1.0"},
    )
    run(push(packed, registry.name("wkg/hello:0.1.0"), store, FAST))
    found = run(pull(registry.name("wkg/hello:0.1.0"), other, FAST))
    assert file_of(found, other).name == "hello.wasm"


def test_an_archive_that_leads_elsewhere_leaves_nothing(registry: Served, store: Store, other: Store) -> None:
    layer = ("application/vnd.cncf.model.weight.v1.tar+gzip", archive(ok_onnx=b"x", ______evil=b"x"))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("ok.onnx", "../../evil"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    layer = ("application/vnd.cncf.model.weight.v1.tar+gzip", out.getvalue())
    packed = artifact(store, ("application/vnd.cncf.model.config.v1+json", b"{}"), layer)
    run(push(packed, registry.name("bad/evil:1"), store, FAST))
    found = run(pull(registry.name("bad/evil:1"), other, FAST))
    with pytest.raises(InputError, match="no name of a file within"):
        files_of(found, other)
    assert not list(other.views.iterdir())
    assert not list(other.staging.iterdir())


def test_a_container_image_is_told_apart(registry: Served, store: Store, other: Store) -> None:
    layer = ("application/vnd.oci.image.layer.v1.tar+gzip", archive(a=b"x"))
    packed = artifact(store, ("application/vnd.oci.image.config.v1+json", b'{"os":"linux"}'), layer)

    async def send() -> None:
        from weft.artifacts.http import Http
        from weft.artifacts.registry import Registry
        from weft.artifacts.upload import upload

        async with Http(FAST) as http:
            target = Registry(http, registry.name("image/x:1"), write=True)
            for part in packed.manifest.blobs:
                await upload(target, part, store.path(part.digest), "")
            await target.put_manifest(packed.manifest.raw, MANIFEST, ("1",))

    run(send())
    with pytest.raises(InputError, match="container image"):
        run(pull(registry.name("image/x:1"), other, FAST))
    assert not list(other.references.iterdir())
