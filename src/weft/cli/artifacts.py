"""``weft push`` and ``weft pull``: functions to and from registries."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli import options
from weft.cli.bringing import BringOptions, NetworkOptions, Switch
from weft.core.text import visible
from weft.core.units import format_size

if TYPE_CHECKING:
    from weft.artifacts.pull import Pulled
    from weft.artifacts.push import Component, Packed, Pushed
    from weft.artifacts.reference import OciReference
    from weft.artifacts.sign import Signing
    from weft.artifacts.store import Store

Words = Annotated[list[str], Parameter(negative="", show_default=False)]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


def push(
    module: str,
    reference: str,
    /,
    *,
    annotation: Words = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    sign: Path | None = None,
    network: NetworkOptions = NetworkOptions(),
    json: Switch = False,
) -> int:
    """Send a function's module to a registry, as a Wasm artifact.

        weft push classify.wasm registry.example/ml/classify:1.2
        weft push classify.wasm registry.example/ml/classify:1.2 --sign release.pem
        weft push weft:classify localhost:5000/classify:latest

    The registry learns who you are from docker's config.json and its helpers, or from $WEFT_REGISTRY,
    $WEFT_REGISTRY_USER and $WEFT_REGISTRY_PASSWORD. What it has already is not sent again.

    Parameters
    ----------
    module
        The .wasm module or component, or weft:NAME for a function that comes with Weft.
    reference
        Where it goes: REGISTRY/REPOSITORY:TAG.
    annotation
        A name and text for the manifest: KEY=VALUE, such as org.opencontainers.image.source=https://….
    sign
        Sign it with this key, as weft sign does.
    json
        Print the result as JSON.
    """
    from weft.artifacts.push import pack_wasm
    from weft.artifacts.reference import parse_oci
    from weft.artifacts.store import Store

    target, path, store = parse_oci(reference), options.module(module), Store()
    notes = options.pairs("--annotation", annotation, "key=value")
    packed = pack_wasm(store, path, _component(path), notes)
    return sent(packed, target, store, network, sign=sign, as_json=json)


def pull(
    reference: str,
    /,
    *,
    output: Output = None,
    network: BringOptions = BringOptions(),
    json: Switch = False,
) -> int:
    """Bring a function or model into the store, or anew where its tag has moved.

        weft pull registry.example/ml/classify:1.2
        weft pull registry.example/ml/classify@sha256:3b8e… -o classify.wasm
        weft pull registry.example/ml/classify:1.2 --verify release.pub
        weft run oci://registry.example/ml/classify:1.2 < cat.jpg

    Every byte is checked against its digest. What was cut goes on where it stopped. What is in the store is not
    fetched again.

    Parameters
    ----------
    reference
        REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:…, hf:ORG/REPO/FILE[@REVISION], or
        https://HOST/FILE#sha256=….
    output
        Copy the file there as well, or all its files into a folder that is there.
    json
        Print the result as JSON.
    """
    from weft.cli.bringing import pulled

    found, store = pulled(reference, network)
    told_pull(found, store, output, as_json=json)
    return 0


def sent(
    packed: Packed,
    reference: OciReference,
    store: Store,
    network: NetworkOptions,
    *,
    sign: Path | None,
    as_json: bool,
) -> int:
    """Send an artifact, sign it where there is a key, and tell what became of it."""
    from weft.artifacts.local import run
    from weft.artifacts.push import push as send
    from weft.cli.key import private_key
    from weft.cli.signing import signed

    key = None if sign is None else private_key(sign)
    with network.settings() as settings:
        pushed = run(send(packed, reference, store, settings))
    done = None if key is None else signed(reference, key, store, network, digest=pushed.entry.digest)
    _told_push(pushed, done, as_json=as_json)
    return 0


def _told_push(pushed: Pushed, signing: Signing | None, *, as_json: bool) -> None:
    from weft.cli.output import print_json
    from weft.cli.signing import line_of, record_of

    entry = pushed.entry
    if as_json:
        found = {"reference": entry.reference, "digest": entry.digest, "size": entry.size, "kind": entry.kind}
        more = {} if signing is None else {"signature": record_of(signing)}
        print_json({**found, "blobs": dict(pushed.blobs), **more})
        return
    counts = [f"{list(pushed.blobs.values()).count(how)} {how}" for how in ("sent", "mounted", "there")]
    sys.stdout.write(f"{entry.reference}@{entry.digest}\n  {format_size(entry.size)}; blobs: {', '.join(counts)}\n")
    if signing is not None:
        sys.stdout.write(f"  {line_of(signing)}\n")


def told_pull(found: Pulled, store: Store, output: Path | None, *, as_json: bool) -> None:
    """Copy an artifact's files where they are wanted, and tell what it is."""
    from weft.artifacts.pull import files_of
    from weft.cli.output import print_fields, print_json

    folder = files_of(found, store)
    if output is not None:
        _copy(found, store, folder, output)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    entry = found.entry
    plain: dict[str, Any] = {"digest": entry.digest, "kind": found.kind, "size": entry.size, **entry.notes}
    if as_json:
        print_json(
            {"reference": entry.reference, **plain, "fetched": found.fetched, "folder": str(folder), "files": files}
        )
        return
    shown: Mapping[str, object] = {**plain, "size": format_size(entry.size), "files": [visible(name) for name in files]}
    at = "folder" if output is None or output.is_dir() else "file"
    print_fields(entry.reference, {**shown, at: str(output or folder)})


def _copy(found: Pulled, store: Store, folder: Path, output: Path) -> None:
    from weft.artifacts.disk import told
    from weft.artifacts.pull import file_of

    with told(output):
        if output.is_dir():
            shutil.copytree(folder, output, dirs_exist_ok=True, copy_function=_copy_file)
        else:
            _copy_file(str(file_of(found, store)), str(output))


def _copy_file(source: str, target: str) -> None:
    """The bytes alone: what is in the store is read-only."""
    shutil.copyfile(source, target)


def _component(path: Path) -> Component | None:
    """What a component takes and gives; None for a core module."""
    from weft.artifacts.push import Component, is_component
    from weft.wasm.inspect import inspect as look

    if not is_component(path):
        return None
    found = look(path)
    exports = {name.rpartition(".")[0] if ":" in name else name: None for name in found["exports"]}
    return Component(tuple(found["imports"]), tuple(exports))
