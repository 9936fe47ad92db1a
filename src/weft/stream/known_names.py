"""The names of certificates that this machine issued or has seen: a line each, in the folder ``site`` of the settings.

Zenoh compares names as wholes, so rules with a ``*`` are applied to the names that are known.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Collection

from weft.core.files import read_whole
from weft.stream.credentials import site_folder

FILE = "names"
MAX_BYTES = 2**20
MAX_NAMES = 10_000

log = logging.getLogger(__name__)


def known_names() -> frozenset[str]:
    """Those that are known. A file that cannot be read is as good as none: names are learned again."""
    try:
        text = read_whole(site_folder() / FILE, MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return frozenset()
    return frozenset(line for line in text.split("\n") if line)


def remember(names: Collection[str]) -> None:
    """Add names. A file that cannot be written is told, no more: the names are learned again after the next start."""
    path = site_folder() / FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            before = known_names()
            new = sorted(set(names) - before)[: max(0, MAX_NAMES - len(before))]
            file.write("".join(f"{name}\n" for name in new).encode())
    except OSError as error:
        log.warning("names of certificates cannot be remembered in %s: %s", path, error.strerror)
