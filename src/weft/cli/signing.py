"""``weft key new``, ``weft sign`` and ``weft verify``: who made an artifact, and who says so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from weft.cli import options
from weft.cli.bringing import NetworkOptions, Switch
from weft.core.errors import UsageError
from weft.core.text import visible

if TYPE_CHECKING:
    from weft.artifacts.keys import PrivateKey
    from weft.artifacts.pull import Looked
    from weft.artifacts.reference import OciReference
    from weft.artifacts.sign import Signing
    from weft.artifacts.signature import Signed
    from weft.artifacts.store import Store

Words = Annotated[list[str], Parameter(negative="", show_default=False)]
Files = Annotated[list[Path], Parameter(negative="", show_default=False)]


def key_new(
    path: Path,
    /,
    *,
    type_: Annotated[Literal["ecdsa", "ed25519"], Parameter(name="--type")] = "ecdsa",
    passphrase: Switch = False,
    json: Switch = False,
) -> int:
    """Make a key to sign with: KEY.pem, which stays secret, and KEY.pub, which everybody may have.

        weft key new release.pem
        weft key new release.pem --type ed25519 --passphrase

    Parameters
    ----------
    path
        The file of the key; its public part goes beside it, as .pub. Nothing is overwritten.
    type_
        ecdsa (on P-256, as cosign has it) or ed25519.
    passphrase
        Ask for a passphrase to encrypt it with. $WEFT_KEY_PASSPHRASE, where it is set, is taken without asking.
    json
        Print the result as JSON.
    """
    from weft.artifacts.keys import new_key, write_pair
    from weft.cli.output import print_json

    key = new_key(type_)
    public = write_pair(key, path, _new_passphrase(path, asked=passphrase))
    if json:
        print_json({"key": str(path), "public": str(public), "type": type_, "digest": key.public.digest})
        return 0
    sys.stdout.write(f"{path}  the key; keep it secret\n{public}  its public part: {key.public.digest}\n")
    sys.stdout.write(f"weft push … --sign {path} signs with it, weft run … --verify {public} checks that\n")
    return 0


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
    from weft.artifacts.keys import read_public
    from weft.artifacts.local import run
    from weft.artifacts.policy import checks
    from weft.artifacts.pull import look_up
    from weft.artifacts.reference import parse_oci
    from weft.artifacts.signature import Demand, check_signed
    from weft.artifacts.store import Store

    keys, more = tuple(map(read_public, key)), checks(policy)
    if not keys and more is None:
        raise UsageError("there is no key to check it with", cure="name one with --key KEY.pub, or a --policy")
    found: list[Signed] = []

    async def check(subject: Any) -> None:
        if more is not None:
            await more(subject)
        if keys:
            found.extend(await check_signed(subject, Demand(keys, all_, identity, "--key")))

    with network.settings(check) as settings:
        looked = run(look_up(parse_oci(reference), Store(), settings))
    _told(looked, found, as_json=json)
    return 0


def private_key(path: Path) -> PrivateKey:
    """A key to sign with; its passphrase is asked for on a terminal."""
    from weft.artifacts.keys import read_private

    return read_private(path, _ask)


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
    lines = [f"  signed by {one.key} for {visible(one.identity)}\n" for one in found]
    sys.stdout.write(f"{looked.reference.name}\n  {looked.digest}\n{''.join(lines) or '  the policy allows it'}\n")


def _more(one: Signed) -> dict[str, object]:
    return {"optional": dict(one.optional)} if one.optional else {}


def _new_passphrase(path: Path, *, asked: bool) -> str:
    import os

    from weft.artifacts.keys import PASSPHRASE

    if secret := os.environ.get(PASSPHRASE, ""):
        return secret
    if not asked:
        return ""
    first = _ask(str(path))
    if not first:
        raise UsageError("there is nobody to ask for a passphrase", cure=f"set ${PASSPHRASE}, or run it on a terminal")
    if _ask(f"{path}, once more") != first:
        raise UsageError("the passphrases differ", cure="run it again")
    return first


def _ask(where: str) -> str | None:
    """A passphrase, typed on the terminal; None where there is none."""
    if not sys.stdin.isatty():
        return None
    from getpass import getpass

    return getpass(f"passphrase of {where}: ")
