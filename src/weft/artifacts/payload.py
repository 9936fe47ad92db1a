"""What a signature says, in cosign's form ("simple signing"): which artifact, of which repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.artifacts.digest import checked_digest
from weft.artifacts.manifest import read_json
from weft.artifacts.reference import OciReference
from weft.core.errors import WeftError

TYPE = "cosign container image signature"
MAX_IDENTITY = 1024

_HUBS = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Payload:
    """What was signed.

    Attributes:
        identity: the name it was signed for (``docker-reference``): registry and repository, perhaps with a tag.
        digest: of the manifest or index.
        optional: what else the signer says; nothing in it is checked.
    """

    identity: str
    digest: str
    optional: Mapping[str, Any] = field(default_factory=dict)

    def raw(self) -> bytes:
        """As bytes, which are what is signed. The same payload makes the same bytes."""
        image = {"docker-manifest-digest": self.digest}
        critical = {"identity": {"docker-reference": self.identity}, "image": image, "type": TYPE}
        document = {"critical": critical, "optional": dict(self.optional) or None}
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def parse_payload(raw: bytes) -> Payload | None:
    """The payload in bytes that a signature holds for; None where they are none."""
    try:
        data = read_json(raw, "")
        critical = data["critical"]
        identity, digest = critical["identity"]["docker-reference"], critical["image"]["docker-manifest-digest"]
        optional = data.get("optional") or {}
        checked_digest(digest)
        if critical["type"] != TYPE or not isinstance(identity, str) or not isinstance(optional, dict):
            return None
    except (WeftError, KeyError, TypeError):
        return None
    return Payload(identity[:MAX_IDENTITY], digest, optional)


def identity_of(reference: OciReference) -> str:
    """The name that a signature of an artifact is for, unless another is stated: its registry and repository."""
    return canonical(f"{reference.host}/{reference.repository}")


def canonical(name: str) -> str:
    """Registry and repository in one way of writing: small letters, Docker's hub by its full name."""
    host, slash, rest = name.partition("/")
    host = host.lower().removesuffix(":443")
    if host in _HUBS:
        host, rest = _HUBS[1], rest if "/" in rest else f"library/{rest}"
    return f"{host}{slash}{rest}"


def same_identity(signed: str, wanted: str, tag: str = "") -> bool:
    """Whether what was signed for one name may be used under another; a tag, if signed, must be the one asked for."""
    place, _, _ = signed.partition("@")
    name, colon, signed_tag = place.rpartition(":")
    if colon and "/" not in signed_tag:
        return canonical(name) == canonical(wanted) and tag in ("", signed_tag)
    return canonical(place) == canonical(wanted)
