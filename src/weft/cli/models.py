"""``weft model``: where models come from and go to; what one takes and gives is in :mod:`weft.cli.model_show`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from weft.cli import options
from weft.cli.bringing import BringOptions, NetworkOptions, Switch

Words = Annotated[list[str], Parameter(negative="", show_default=False)]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]


def push(
    files: list[str],
    /,
    *,
    annotation: Words = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    sign: Path | None = None,
    network: NetworkOptions = NetworkOptions(),
    json: Switch = False,
) -> int:
    """Send a model to a registry, with its labels, configuration and documents, as a ModelPack artifact.

        weft model push mobilenetv2.onnx imagenet.txt README.md registry.example/ml/mobilenet:2
        weft model push saved_model registry.example/ml/flowers:1
        weft model push mobilenetv2.onnx registry.example/ml/mobilenet:2 --sign release.pem

    Parameters
    ----------
    files
        The model's files and folders, and last where it goes: REGISTRY/REPOSITORY:TAG.
    annotation
        A name and text for the manifest: KEY=VALUE, such as org.opencontainers.image.licenses=MIT.
    sign
        Sign it with this key, as weft sign does.
    json
        Print the result as JSON.
    """
    from weft.artifacts.push import pack_model
    from weft.artifacts.reference import parse_oci
    from weft.artifacts.store import Store
    from weft.cli.artifacts import sent
    from weft.core.errors import UsageError

    *paths, last = files
    if not paths:
        raise UsageError("it needs files and a reference", cure="weft model push net.onnx REGISTRY/REPOSITORY:TAG")
    target, store = parse_oci(last), Store()
    notes = options.pairs("--annotation", annotation, "key=value")
    packed = pack_model(store, [options.existing(path, "model") for path in paths], notes)
    return sent(packed, target, store, network, sign=sign, as_json=json)


def pull(
    reference: str,
    /,
    *,
    output: Output = None,
    network: BringOptions = BringOptions(),
    json: Switch = False,
) -> int:
    """Bring a model into the store: from a registry, from Hugging Face, or from a URL.

        weft model pull registry.example/ml/mobilenet:2 --verify release.pub
        weft model pull hf:onnx-community/mobilenetv2-7/model.onnx -o model.onnx
        weft model pull https://example.org/net.onnx#sha256=9f86d081…

    A ModelPack artifact, a KitOps ModelKit, or files as oras pushes them. Hugging Face learns who you are from
    $HF_TOKEN, and is elsewhere if $HF_ENDPOINT says so.

    Parameters
    ----------
    reference
        REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:…, hf:ORG/REPO/FILE[@REVISION], or
        https://HOST/FILE#sha256=….
    output
        Copy the model there as well, or all its files into a folder that is there.
    json
        Print the result as JSON.
    """
    from weft.cli.artifacts import told_pull
    from weft.cli.bringing import pulled

    found, store = pulled(reference, network)
    told_pull(found, store, output, as_json=json)
    return 0


def list_(*, json: Switch = False) -> int:
    """List the models in the store.

        weft model list

    Parameters
    ----------
    json
        Print it as JSON.
    """
    from weft.artifacts.references import References
    from weft.artifacts.store import Store

    return print_entries([entry for entry in References(Store()).all() if entry.kind in MODEL_KINDS], as_json=json)


def rm(reference: str, /, *, json: Switch = False) -> int:
    """Forget a model or function of the store; `weft cache gc` then frees what nothing else needs.

        weft model rm registry.example/ml/mobilenet:2

    Parameters
    ----------
    reference
        Its name, as `weft model list` or `weft cache list` shows it.
    json
        Print the result as JSON.
    """
    from weft.artifacts.reference import parse_reference
    from weft.artifacts.references import References
    from weft.artifacts.store import Store
    from weft.cli.output import print_json
    from weft.core.errors import NotFoundError
    from weft.core.suggest import did_you_mean
    from weft.core.text import visible

    name = parse_reference(reference, bare=True).name
    references = References(Store())
    if not references.remove(name):
        cure = (
            did_you_mean(name, [entry.reference for entry in references.all()]) or "weft cache list shows what there is"
        )
        raise NotFoundError("the store has nothing of that name", where=name, cure=cure)
    if json:
        print_json({"removed": name})
    else:
        sys.stdout.write(f"{visible(name)} is forgotten\n")
    return 0


MODEL_KINDS = ("model", "modelkit", "files")
"""The kinds that ``weft model list`` shows; ``weft cache list`` shows all."""


def print_entries(entries: list[Any], *, as_json: bool) -> int:
    """A table of what the store has, the last used first."""
    from dataclasses import asdict

    from weft.cli.output import print_json, print_table
    from weft.core.text import visible
    from weft.core.units import format_size

    entries.sort(key=lambda entry: -entry.used)
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return 0
    if not entries:
        sys.stdout.write("nothing\n")
        return 0
    rows = [
        (visible(entry.reference), entry.kind, entry.digest[7:19], format_size(entry.size), when(entry.used))
        for entry in entries
    ]
    print_table(("reference", "kind", "digest", "size", "last used"), rows)
    return 0


def when(seconds: float) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
