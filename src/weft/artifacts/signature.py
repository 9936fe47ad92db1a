"""Whether an artifact is signed by a key, in cosign's key-based form.

A signature stands in the artifact's repository under the tag ``sha256-<hex>.sig``: an artifact with a layer for each
signature. The layer's blob is the payload, which names the artifact's digest and repository; an annotation is the
signature of the payload's bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from weft.artifacts.digest import Descriptor, hex_of, short
from weft.artifacts.keys import PublicKey
from weft.artifacts.kinds import SIGNATURE_LAYER
from weft.artifacts.payload import identity_of, parse_payload, same_identity
from weft.artifacts.reference import OciReference, parse_reference
from weft.artifacts.settings import Attached, Subject
from weft.core.errors import DeniedError, UnavailableError, WeftError
from weft.core.text import visible

SIGNATURE = "dev.cosignproject.cosign/signature"
KEY = "dev.weft.key"
"""The digest of the key that signed. A hint, which makes errors clear, and which nothing else relies on."""
MAX_SIGNATURES = 100
"""Signatures of one artifact that are looked at."""

_SIGN = "weft sign REFERENCE --key KEY.pem signs it"


@dataclass(frozen=True, slots=True)
class Demand:
    """Whose signature an artifact must have.

    Attributes:
        keys: any of them, or ``every`` one.
        identity: the name it must be signed for, where it is not its own registry and repository: of a mirror, say.
        asked: who demands it, such as ``--verify``, for errors.
    """

    keys: tuple[PublicKey, ...]
    every: bool = False
    identity: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds: the key, what it was signed for, and what else the signer says."""

    key: PublicKey
    identity: str
    digest: str
    optional: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a signature does not hold. Of several, the one with the highest ``rank`` is nearest to one that does."""

    rank: int
    what: str
    cure: str


@dataclass(frozen=True, slots=True)
class _Case:
    """What is to be shown: that the artifact of this name and digest was signed."""

    reference: OciReference
    digest: str
    demand: Demand


def signature_tag(digest: str) -> str:
    """The tag that an artifact's signatures have."""
    return f"sha256-{hex_of(digest)}.sig"


async def check_signed(subject: Subject, demand: Demand) -> tuple[Signed, ...]:
    """The signatures of an artifact that hold, as many as are demanded.

    Those in the store are looked at first, then the registry is asked. Raises DeniedError for an artifact that is not
    signed as it must be, and UnavailableError for a registry that cannot be asked.
    """
    reference = parse_reference(subject.reference)
    if not isinstance(reference, OciReference):
        cure = "allow its digest in a policy, or push it to a registry and sign it there"
        raise DeniedError("only what is in a registry can be signed", where=subject.reference, cure=cure)
    found: list[WeftError] = []
    for digest in dict.fromkeys((subject.digest, subject.manifest.digest)):
        try:
            return await _look(subject, _Case(reference, digest, demand))
        except DeniedError as error:
            found.append(error)
    raise found[0]


async def _look(subject: Subject, case: _Case) -> tuple[Signed, ...]:
    try:
        attached = await subject.attached(signature_tag(case.digest), anew=False)
        if attached is not None:
            return await _judged(attached, case)
    except UnavailableError:
        raise
    except WeftError as error:
        return await _look_again(subject, case, error)
    raise _unsigned(case)


async def _look_again(subject: Subject, case: _Case, first: WeftError) -> tuple[Signed, ...]:
    """What the store has is not enough: the artifact may have been signed again since."""
    try:
        attached = await subject.attached(signature_tag(case.digest), anew=True)
    except UnavailableError:
        raise first from None
    if attached is None:
        raise _unsigned(case)
    return await _judged(attached, case)


async def _judged(attached: Attached, case: _Case) -> tuple[Signed, ...]:
    parts = [part for part in attached.manifest.layers[:MAX_SIGNATURES] if part.media_type == SIGNATURE_LAYER]
    verdicts = [judge(case.reference, case.digest, part, await attached.blob(part), case.demand) for part in parts]
    good = {verdict.key.digest: verdict for verdict in verdicts if isinstance(verdict, Signed)}
    missing = [key for key in case.demand.keys if key.digest not in good]
    if (missing and case.demand.every) or not good:
        raise _refused(case, good.values(), missing, [verdict for verdict in verdicts if isinstance(verdict, Flaw)])
    return tuple(good.values())


def judge(reference: OciReference, digest: str, part: Descriptor, raw: bytes, demand: Demand) -> Signed | Flaw:
    """Whether one signature holds: by one of the keys, of this digest, for this repository."""
    signature = _signature(part)
    if not signature:
        return Flaw(0, "its signature cannot be read", _SIGN)
    key = next((key for key in demand.keys if key.made(signature, raw)), None)
    if key is None:
        return _by_nobody(part, demand)
    payload = parse_payload(raw)
    if payload is None:
        return Flaw(3, f"what {key} signed is no statement of an artifact", _SIGN)
    if payload.digest != digest:
        what = f"the signature by {key} is of {payload.digest}, not of {digest}"
        return Flaw(4, what, "the artifact was replaced, or a signature copied: do not use it")
    if not same_identity(payload.identity, demand.identity or identity_of(reference), reference.tag):
        what = f"{key} signed it for '{visible(payload.identity)}', not for this name"
        cure = "use it under that name; if this is a copy that you trust, state that name: --identity, or in the policy"
        return Flaw(5, what, cure)
    return Signed(key, payload.identity, payload.digest, payload.optional)


def _by_nobody(part: Descriptor, demand: Demand) -> Flaw:
    """No key fits. What the signature says of its key may be a lie, but then the signature is none either way."""
    wanted = _names(demand.keys)
    said = part.annotations.get(KEY, "")
    if known := [key for key in demand.keys if key.digest == said]:
        what = f"the signature by {known[0]} does not fit: it or what was signed has been changed"
        return Flaw(2, what, "do not use it; get it from who made it")
    if said:
        what = f"it is signed by another key ({visible(said[7:19])}), not by {wanted}"
        return Flaw(1, what, "check which key its maker signs with")
    what = f"no signature is by {wanted}: another key signed, or what was signed has been changed"
    return Flaw(1, what, "check which key its maker signs with")


def _signature(part: Descriptor) -> bytes:
    try:
        return base64.b64decode(part.annotations.get(SIGNATURE, ""), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _unsigned(case: _Case) -> DeniedError:
    what = f"it is not signed, and {_asker(case)} asks for a signature by {_names(case.demand.keys)}"
    cure = f"{_SIGN}; or run one that is signed"
    return DeniedError(what, where=_where(case), cure=cure)


def _refused(case: _Case, good: Iterable[Signed], missing: list[PublicKey], flaws: list[Flaw]) -> DeniedError:
    by = [signed.key for signed in good]
    if by:
        what = f"it is signed by {_names(by)}, and {_asker(case)} also asks for {_names(missing, 'and')}"
        return DeniedError(what, where=_where(case), cure="have it signed by them, too: weft sign")
    if not flaws:
        return _unsigned(case)
    flaw = max(flaws, key=lambda flaw: flaw.rank)
    return DeniedError(flaw.what, where=_where(case), cure=flaw.cure)


def _names(keys: Iterable[PublicKey], word: str = "or") -> str:
    return f" {word} ".join(map(str, keys))


def _asker(case: _Case) -> str:
    return case.demand.asked or "this node"


def _where(case: _Case) -> str:
    name = case.reference.name
    return name if case.reference.digest else f"{name}@sha256:{short(case.digest)}…"
