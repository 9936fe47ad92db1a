"""Which certificate a process shows: the one that was named, this user's, or one of this machine's own authority.

All of it is in the folder ``site`` of the user's settings: the authority, on the machine where the site began, and
``identity.pem``, the certificate that is shown where none is named.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from pathlib import Path

from weft.core.errors import DeniedError, WeftError
from weft.core.paths import config_dir
from weft.stream.identity import Authority, Identity

VARIABLE = "WEFT_CERT"
"""Names the certificate's file where no option does."""


OWN = "identity.pem"


def site_folder() -> Path:
    """Where this user's authority and certificate are. Raises UnavailableError without a home directory."""
    return config_dir() / "site"


def has_authority() -> bool:
    """Whether the site's authority is on this machine, and this user's."""
    folder = site_folder()
    return (folder / "authority.pem").exists() or (folder / "authority.key").exists()


def has_own() -> bool:
    """Whether this user has a certificate in the settings."""
    return (site_folder() / OWN).exists()


def is_named() -> bool:
    """Whether the environment names a certificate."""
    return bool(os.environ.get(VARIABLE))


def authority() -> Authority:
    """The site's authority; made now where there is none. Raises OutputError, InputError."""
    return Authority(site_folder())


def identity(cert: Path | None = None) -> Identity:
    """The certificate to show: ``cert``, else ``$WEFT_CERT``, else this user's own.

    Where the authority is on this machine, this user's own is issued when it is first needed, and again when it has
    expired. Raises NotFoundError and InputError for a file that is none, DeniedError where there is no certificate.
    """
    if cert is not None:
        return Identity.read(cert)
    if named := os.environ.get(VARIABLE):
        return Identity.read(Path(named))
    own = site_folder() / OWN
    if has_authority():
        return _issued_here(own)
    if own.exists():
        return Identity.read(own)
    what = "no certificate: others would not know who this is"
    cure = (
        "start `weft router`, if the site is to begin on this machine; else, on the router's machine, `weft cert NAME`,"
        f" and name that file with --cert or {VARIABLE}, or put it at {own}"
    )
    raise DeniedError(what, cure=cure)


def _issued_here(own: Path) -> Identity:
    maker = authority()
    try:
        if own.exists() and (known := Identity.read(own)).authority == maker.certificate:
            return known
    except WeftError:  # expired, or damaged: there is nothing in it that cannot be made again
        pass
    issued = maker.issue(_own_name())
    issued.write(own)
    return issued


def _own_name() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = f"user{os.getuid()}"
    words = (re.sub(r"[^A-Za-z0-9-]+", "-", word).strip("-") for word in (user, socket.gethostname().split(".")[0]))
    return ".".join(word for word in words if word)[:63].strip(".-") or "user"
