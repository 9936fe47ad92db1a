"""Lets in whom an access document names."""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from weft.core.errors import IdentityError, RateLimitError
from weft.serve.access.granted import Granted, is_for, rate_of
from weft.serve.access.keys import PREFIX, Keys
from weft.serve.access.rates import Bucket
from weft.serve.access.tokens import tokens_of
from weft.serve.caller import OPEN_PATHS, Caller
from weft.spec.rights import RightsSpec, load_rights

_MOST_CALLERS = 10_000
_CURE = "send a key or token as `Authorization: Bearer …`, or a key as `X-API-Key: …`"
NOBODY = Caller("-", Granted(()))
"""Whoever looks at a page that is open to all; has no rights."""


@dataclass(slots=True)
class _Known:
    caller: Caller
    bucket: Bucket | None


class DocumentAccess:
    """Callers by keys and tokens, with their rights and rates. For the event loop's thread.

    At most 10,000 callers are remembered, by who came last; one that is forgotten begins with a full bucket.

    Attributes:
        counts: how many were not known (``unknown``) or came too often (``limited``).
    """

    def __init__(self, spec: RightsSpec) -> None:
        """Raises InputError where an issuer's file of keys is not right."""
        self.counts: Counter[str] = Counter()
        self._rights = spec.rights
        self._keys = Keys(spec.keys)
        self._tokens = tokens_of(spec)
        self._callers: OrderedDict[str, _Known] = OrderedDict()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DocumentAccess:
        """From a YAML file. Raises NotFoundError, InputError, DocumentError."""
        return cls(load_rights(path))

    @property
    def callers(self) -> int:
        """How many are remembered."""
        return len(self._callers)

    @property
    def fetches(self) -> tuple[int, int]:
        """How often issuers' keys were fetched, and how often that failed."""
        sets = self._tokens.key_sets
        return sum(one.fetches for one in sets), sum(one.failures for one in sets)

    async def admit(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        """The caller of a request; ``NOBODY`` for the pages that are open to all."""
        if path in OPEN_PATHS:
            return NOBODY
        try:
            known = self._known(await self._name(headers))
        except IdentityError:
            self.counts["unknown"] += 1
            raise
        if known.bucket is not None:
            try:
                known.bucket.take(known.caller.name)
            except RateLimitError:
                self.counts["limited"] += 1
                raise
        return known.caller

    async def _name(self, headers: Mapping[str, str]) -> str:
        secret = _secret(headers)
        if not secret.startswith(PREFIX) and secret.count(".") == 2:
            return await self._tokens.name_of(secret)
        if (name := self._keys.name_of(secret)) is None:
            raise IdentityError("this key is not known here", cure="ask who runs this server for a key")
        return name

    def _known(self, name: str) -> _Known:
        known = self._callers.get(name)
        if known is None:
            entries = [entry for entry in self._rights if is_for(entry.caller, name)]
            rate = rate_of(entries)
            known = self._callers[name] = _Known(Caller(name, Granted(entries)), Bucket(*rate) if rate else None)
            if len(self._callers) > _MOST_CALLERS:
                self._callers.popitem(last=False)
        self._callers.move_to_end(name)
        return known


def _secret(headers: Mapping[str, str]) -> str:
    """The key or token of a request. Raises IdentityError where there is none, or more than one."""
    bearer, key = headers.get("authorization"), headers.get("x-api-key")
    if bearer is not None and key is not None:
        raise IdentityError("there are both Authorization and X-API-Key", cure="send one of them")
    if key is not None:
        return key.strip()
    if bearer is None:
        raise IdentityError("this server wants to know who asks", cure=_CURE)
    scheme, _, secret = bearer.strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise IdentityError("the header Authorization is not understood", cure=_CURE)
    return secret.strip()
