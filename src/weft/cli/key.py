"""``weft key``: a key for a caller of ``weft serve``, or to sign artifacts with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from weft.cli.bringing import Switch
from weft.core.errors import UsageError

if TYPE_CHECKING:
    from weft.artifacts.keys import PrivateKey


def caller(name: str, /, *, json: Switch = False) -> int:
    """Make a key for a caller of `weft serve`, and the line for the document that --access names.

        weft key caller line-3
        weft key caller line-3 --json | jq --raw-output .key

    The key goes to standard output once and is kept nowhere: give it to the caller. The line, on standard error, holds
    its hash; put it below `keys:`. Then say below `rights:` what the caller may do.

    Parameters
    ----------
    name
        The caller's name: letters, digits, '_', '-' and '.'.
    json
        Print both as JSON.
    """
    from weft.cli.output import print_json
    from weft.serve.access.keys import new_key

    made, line = new_key(name)
    if json:
        print_json({"name": name, "key": made, "line": line})
        return 0
    sys.stderr.write(f"below keys:\n  {line}\n")
    sys.stderr.flush()
    sys.stdout.write(f"{made}\n")
    return 0


def new(
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


def private_key(path: Path) -> PrivateKey:
    """A key to sign with; its passphrase is asked for on a terminal."""
    from weft.artifacts.keys import read_private

    return read_private(path, _ask)


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
