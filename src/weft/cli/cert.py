"""``weft cert``: a certificate for a device."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weft.core.errors import NotFoundError, OutputError, UsageError
from weft.core.text import visible

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Rules, logs and files name devices: what a name must not hold there, it never holds."""


def cert(
    name: str,
    /,
    *,
    host: Annotated[list[str], Parameter(negative="", show_default=False)] = [],  # noqa: B006 - nobody changes it
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    days: float = 825,
) -> int:
    """Issue a certificate for a device. Run it where the site's authority is: on the first router's machine.

        weft cert camera-1
        weft cert north --host north.example.com -o north.pem

    The file holds the certificate, its key and the authority's certificate. Whoever has it may take part in the site:
    carry it to the device over a safe way, and leave no copy.

    Parameters
    ----------
    name
        The device's name; letters, digits, '_', '-' and '.'.
    host
        A name or address under which others connect to the device, if it listens.
    output
        The file to write; NAME.pem by default. Nothing is overwritten.
    days
        How long it is valid.
    """
    from weft.stream import credentials
    from weft.stream.known_names import remember

    _check_name(name)
    if not days > 0:
        raise UsageError(f"--days {days:g}: a certificate must be valid for some time", cure="write --days 825")
    if not credentials.has_authority():
        cure = "run this on the machine of the site's first router; `weft router` makes the authority"
        raise NotFoundError("no authority is on this machine", where=str(credentials.site_folder()), cure=cure)
    issued = credentials.authority().issue(name, tuple(host), days)
    path = output or Path(f"{name}.pem")
    if path.exists():
        raise OutputError("it is there already", where=str(path), cure="name another file with -o, or remove it")
    issued.write(path)
    remember([name])
    sys.stdout.write(f"{path}  the certificate of '{name}', valid for {days:g} days; keep it secret\n")
    file = shlex.quote(path.name)
    sys.stdout.write(f"on the device: weft … --cert {file}, or export {credentials.VARIABLE}={file}\n")
    return 0


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        cure = f"up to 64 letters, digits, '_', '-' and '.', a letter or digit first{_instead(name)}"
        raise UsageError(f"'{visible(name[:64])}' is no device's name", cure=cure)


def _instead(name: str) -> str:
    """The nearest name that can be one."""
    meant = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._")[:64]
    return f": weft cert {meant}" if meant else ""
