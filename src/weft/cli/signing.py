"""``weft sign`` and ``weft verify``: who made an artifact, and who says so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from weft.cli import options
from weft.cli.bringing import Files, NetworkOptions, Switch
from weft.cli.key import private_key
from weft.core.errors import UsageError
from weft.core.text import visible

if TYPE_CHECKING:
    from weft.artifacts.keys import PrivateKey
    from weft.artifacts.pull import Looked
    from weft.artifacts.reference import OciReference
    from weft.artifacts.settings import Check, Settings, Subject
    from weft.artifacts.sign import Signing
    from weft.artifacts.signature import Signed
    from weft.artifacts.store import Store

Words = Annotated[list[str], Parameter(negative="", show_default=False)]


def sign(
    reference: str,
    /,
    *,
    key: Path,
    identity: str = "",
    annotation: Words = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    network: NetworkOptions = NetworkOptions(),
    json: Switch = False,
) -> int:
    """Sign a function or model that is in a registry, beside the signatures it has. As cosign does.

        weft sign registry.example/ml/classify:1.2 --key release.pem
        weft sign registry.example/ml/classify@sha256:3b8e… --key release.pem --annotation build=417

    What is signed is the digest that the name stands for in the registry at this moment: name the digest to be sure.

    Parameters
    ----------
    reference
        REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:….
    key
        The key, as weft key new made it. Its passphrase is asked for, or comes from $WEFT_KEY_PASSPHRASE.
    identity
        Sign it for another name than this registry and repository.
    annotation
        What else the signature is to say: KEY=VALUE.
    json
        Print the result as JSON.
    """
    from weft.artifacts.reference import parse_oci
    from weft.artifacts.store import Store
    from weft.cli.output import print_json

    notes = options.pairs("--annotation", annotation, "build=417")
    done = signed(parse_oci(reference), private_key(key), Store(), network, identity=identity, optional=notes)
    if json:
        print_json(record_of(done))
    else:
        sys.stdout.write(f"{done.identity}@{done.digest}\n  {line_of(done)}\n")
    return 0


def verify(
    reference: str,
    /,
    *,
    key: Files = [],  # noqa: B006 - cyclopts reads the default, nobody changes it
    all_: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    identity: str = "",
    policy: Path | None = None,
    network: NetworkOptions = NetworkOptions(),
    json: Switch = False,
) -> int:
    """Check who signed a function or model, without bringing it. Exit code 77 if it is not signed as it must be.

        weft verify registry.example/ml/classify:1.2 --key release.pub
        weft verify registry.example/ml/classify:1.2 --policy policy.yaml

    This node's policy is asked as well, where it has one.

    Parameters
    ----------
    reference
        REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:….
    key
        A public key, one of which must have signed.
    all_
        Each of the keys must have signed.
    identity
        The name it must be signed for, where that is not this registry and repository.
    policy
        A policy that it must meet, beside this node's own.
    json
        Print the result as JSON.
    """
    found: list[Signed] = []
    with network.settings(_check(key, policy, identity, found, every=all_)) as settings:
        looked = _looked_up(reference, settings)
    _told(looked, found, as_json=json)
    return 0


def _check(keys: list[Path], policy: Path | None, identity: str, found: list[Signed], *, every: bool) -> Check:
    """Checks an artifact by the policies and the keys; what signatures the keys made comes to ``found``."""
    from weft.artifacts.keys import read_public
    from weft.artifacts.policy import checks
    from weft.artifacts.signature import Demand, check_signed

    public, more = tuple(map(read_public, keys)), checks(policy)
    if not public and more is None:
        raise UsageError("there is no key to check it with", cure="name one with --key KEY.pub, or a --policy")

    async def check(subject: Subject) -> None:
        """Raises DeniedError for an artifact that is not signed as it must be."""
        if more is not None:
            await more(subject)
        if public:
            found.extend(await check_signed(subject, Demand(public, every, identity, "--key")))

    return check


def _looked_up(reference: str, settings: Settings) -> Looked:
    from weft.artifacts.local import run
    from weft.artifacts.pull import look_up
    from weft.artifacts.reference import parse_oci
    from weft.artifacts.store import Store

    return run(look_up(parse_oci(reference), Store(), settings))


def signed(
    reference: OciReference,
    key: PrivateKey,
    store: Store,
    network: NetworkOptions,
    **given: Any,
) -> Signing:
    """Sign what is in a registry. Raises as :func:`weft.artifacts.sign.sign`."""
    from weft.artifacts.local import run
    from weft.artifacts.sign import sign as do

    with network.settings() as settings:
        return run(do(reference, key, store, settings, **given))


def record_of(done: Signing) -> dict[str, object]:
    """What became of a signature, as plain data."""
    plain = {"digest": done.digest, "identity": done.identity, "key": done.key.digest, "tag": done.tag}
    return {**plain, "signatures": done.count, "added": done.added}


def line_of(done: Signing) -> str:
    """What became of a signature, for people."""
    how = "signed" if done.added else "was signed before"
    return f"{how} by {done.key} for {visible(done.identity)}; signatures: {done.count}"


def _told(looked: Looked, found: list[Signed], *, as_json: bool) -> None:
    from weft.cli.output import print_json

    rows = [{"key": one.key.digest, "name": one.key.name, "identity": one.identity, **_more(one)} for one in found]
    if as_json:
        print_json({"reference": looked.reference.name, "digest": looked.digest, "signatures": rows})
        return
    lines = [f"signed by {one.key} for {visible(one.identity)}" for one in found] or ["the policy allows it"]
    sys.stdout.write("\n  ".join([looked.reference.name, looked.digest, *lines]) + "\n")


def _more(one: Signed) -> dict[str, object]:
    return {"optional": dict(one.optional)} if one.optional else {}
