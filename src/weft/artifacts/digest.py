"""Digests and descriptors: what names bytes by what they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weft.core.errors import InputError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OTHER = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-zA-Z=_-]+")

PIECE = 1 << 20
"""Bytes that are read, hashed and written at a time."""


def checked_digest(text: object, where: str = "") -> str:
    """``text`` if it is a SHA-256 digest. Raises InputError."""
    if isinstance(text, str) and _DIGEST.fullmatch(text):
        return text
    if isinstance(text, str) and _OTHER.fullmatch(text) and not text.startswith("sha256:"):
        raise InputError(f"its digest is {text.split(':')[0]}", where=where, cure="Weft takes sha256 alone")
    raise InputError(f"{str(text)[:80]!r} is no digest", where=where, cure="write sha256: and 64 hex digits")


def digest_of(data: bytes) -> str:
    """The digest of bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """The digest of a file. Raises OSError."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def hex_of(digest: str) -> str:
    """The 64 hex digits."""
    return digest.partition(":")[2]


def short(digest: str) -> str:
    """The start of a digest, for people."""
    return hex_of(digest)[:12]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of a blob.

    Attributes:
        media_type: what it is.
        digest: ``sha256:`` and 64 hex digits.
        size: bytes.
        annotations: names and texts, such as the file's name.
        platform: of an index's entries, ``architecture`` and ``os``.
    """

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, object]:
        """As it stands in a manifest."""
        plain: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        return {**plain, "annotations": dict(self.annotations)} if self.annotations else plain
