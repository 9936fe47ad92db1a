"""Tokens (JWT): whose they are, if their issuer is one that is believed."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import time
from typing import Any

from weft.core.errors import IdentityError
from weft.serve.access.jwks import KeySet, PublicKey
from weft.spec.rights import RightsSpec, TokenIssuer

MAX_TOKEN = 8192
_MAX_SUBJECT = 128
_REMEMBERED = 4096
_REMEMBERED_S = 60.0
_CURE = "get a new token from its issuer"


class Tokens:
    """The issuers of an access document. For the event loop's thread.

    A token that was right is not looked at again for a minute, or until it expires.
    """

    def __init__(self, issuers: Iterable[tuple[TokenIssuer, KeySet]]) -> None:
        self._issuers = tuple(issuers)
        self._right: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def keys_of(self, issuer: TokenIssuer) -> KeySet | None:
        """The keys that were fetched for the very same issuer; None where there is none."""
        return next((keys for one, keys in self._issuers if one == issuer), None)

    @property
    def key_sets(self) -> list[KeySet]:
        """The issuers' keys."""
        return [keys for _, keys in self._issuers]

    async def name_of(self, token: str) -> str:
        """Whose token it is, as ``TOKENS/SUBJECT``. Raises IdentityError, and BusyError while there are no keys."""
        if len(token) > MAX_TOKEN:
            raise IdentityError("the token is too long", cure=_CURE)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._right.get(digest)
        if known is not None and time() < known[1]:
            self._right.move_to_end(digest)
            return known[0]
        name, expires = await self._check(token)
        self._right[digest] = name, min(expires, time() + _REMEMBERED_S)
        self._right.move_to_end(digest)
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return name

    async def _check(self, token: str) -> tuple[str, float]:
        """Whose it is, and until when it holds, seconds since the epoch."""
        head, issuer = _unverified(token)
        algorithm, kid = head.get("alg"), head.get("kid", "")
        if "crit" in head or not isinstance(kid, str) or not isinstance(algorithm, str):
            raise IdentityError("the token's header is not understood", cure=_CURE)
        believed = [(one, keys) for one, keys in self._issuers if one.issuer == issuer]
        if not believed:
            raise IdentityError("the token's issuer is not believed here", cure=_CURE)
        refused = IdentityError(f"tokens signed with {algorithm[:16]!r} are not taken", cure=_CURE)
        for one, keys in believed:
            if algorithm not in one.algorithms:
                continue
            key = await keys.find(kid, algorithm)
            if key is None:
                refused = IdentityError("the token's key is not known", cure=_CURE)
                continue
            try:
                return _verified(token, one, key)
            except IdentityError as error:
                refused = error
        raise refused


def tokens_of(spec: RightsSpec, before: Tokens | None = None) -> Tokens:
    """The issuers of a document; those whose keys are in files have them read. Raises InputError.

    Keys that were fetched from an address by the tokens ``before`` are kept: it may not answer just now.
    """
    return Tokens([(one, _key_set(spec, one, before)) for one in spec.tokens])


def _key_set(spec: RightsSpec, one: TokenIssuer, before: Tokens | None) -> KeySet:
    if before is not None and "://" in one.jwks and (kept := before.keys_of(one)) is not None:
        return kept
    place: str | Path = one.jwks if "://" in one.jwks else spec.resolve(one.jwks)
    return KeySet(place, one.algorithms, refresh_s=one.refresh, retry_s=one.retry)


def _unverified(token: str) -> tuple[Mapping[str, Any], object]:
    """The header and the issuer as the token says them: only to choose the key it is then checked with."""
    import jwt

    try:
        head = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise IdentityError("this is no token", cure=_CURE) from error
    return head, claims.get("iss")


def _verified(token: str, issuer: TokenIssuer, key: PublicKey) -> tuple[str, float]:
    import jwt

    try:
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],  # the key's own: what the token says of itself decides nothing
            audience=issuer.audience,
            issuer=issuer.issuer,
            leeway=issuer.leeway,
            options={"require": ["exp", "iss", "aud"]},
        )
        expires = float(claims["exp"])
    except jwt.ExpiredSignatureError as error:
        raise IdentityError("the token has expired", cure=_CURE) from error
    except jwt.ImmatureSignatureError as error:
        raise IdentityError("the token is not valid yet", cure="look at the clocks, or wait") from error
    except jwt.InvalidAudienceError as error:
        raise IdentityError("the token is for somebody else", cure=_CURE) from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise IdentityError("the token is wrong", cure=_CURE) from error
    subject = claims.get(issuer.subject)
    if not isinstance(subject, str) or not subject or len(subject) > _MAX_SUBJECT or not subject.isprintable():
        raise IdentityError(f"the token has no {issuer.subject}", cure=_CURE)
    return f"{issuer.name}/{subject}", expires + issuer.leeway
