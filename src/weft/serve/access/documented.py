"""Lets in whom an access document names."""

from __future__ import annotations

import logging
import os
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import IdentityError, RateLimitError, WeftError
from weft.serve.access.granted import Granted, is_for, rate_of
from weft.serve.access.keys import PREFIX, Keys
from weft.serve.access.rates import Bucket
from weft.serve.access.tokens import Tokens, tokens_of
from weft.serve.caller import NOBODY, OPEN_PATHS, Caller
from weft.spec.rights import RightsSpec, load_rights

log = logging.getLogger("weft.serve")

_MOST_CALLERS = 10_000
_CURE = "send a key or token as `Authorization: Bearer …`, or a key as `X-API-Key: …`"
Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class _Known:
    caller: Caller
    bucket: Bucket | None


class DocumentAccess:
    """Callers by keys and tokens, with their rights and rates. For the event loop's thread, but for ``reload``.

    At most 10,000 callers are remembered, by who came last; one that is forgotten begins with a full bucket.

    Attributes:
        path: the document's file; None for one that has none.
        counts: how many were not known (``unknown``) or came too often (``limited``).
        stamp: what the file looked like before it was read.
        reloads: how often it was read again (``loaded``), or stayed because the new one is wrong (``refused``).
    """

    def __init__(self, spec: RightsSpec, path: Path | None = None, stamp: Stamp = None) -> None:
        """Raises InputError where an issuer's file of keys is not right."""
        self.path = path
        self.stamp = stamp
        self.counts: Counter[str] = Counter()
        self.reloads: Counter[str] = Counter()
        self._document = _Document(spec)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DocumentAccess:
        """From a YAML file. Raises NotFoundError, InputError, DocumentError."""
        file = Path(path)
        stamp = stamp_of(file)
        return cls(load_rights(file), file, stamp)

    def reload(self) -> bool:
        """Read the file again, on any thread; whether it is in force. One that is wrong is logged, and the old stays.

        Requests that were let in go on as they were.
        """
        assert self.path is not None, "it has no file"
        try:
            self._document = _Document(load_rights(self.path), self._document)
        except WeftError as error:
            self.reloads["refused"] += 1
            log.error("the access document is refused, and the old one stays: %s", error)
            return False
        self.reloads["loaded"] += 1
        log.info("the access document was read again: %s", self.path.name)
        return True

    @property
    def callers(self) -> int:
        """How many are remembered."""
        return len(self._document.callers)

    @property
    def fetches(self) -> tuple[int, int]:
        """How often issuers' keys were fetched, and how often that failed."""
        sets = self._document.tokens.key_sets
        return sum(one.fetches for one in sets), sum(one.failures for one in sets)

    async def identify(self, headers: Mapping[str, str], peer: str, path: str = "") -> Caller:
        """The caller of a request; ``NOBODY`` for the pages that are open to all."""
        if path in OPEN_PATHS:
            return NOBODY
        document = self._document  # one and the same for its name and its rights
        try:
            return document.known(await document.name_of(headers)).caller
        except IdentityError:
            self.counts["unknown"] += 1
            raise

    def admit(self, caller: Caller) -> None:
        """Take one from the caller's bucket."""
        bucket = None if caller is NOBODY else self._document.known(caller.name).bucket
        if bucket is None:
            return
        try:
            bucket.take(caller.name)
        except RateLimitError:
            self.counts["limited"] += 1
            raise


class _Document:
    """What one state of the document says, and who came since. Callers' buckets of the state before go on."""

    def __init__(self, spec: RightsSpec, before: _Document | None = None) -> None:
        self.tokens: Tokens = tokens_of(spec, before.tokens if before else None)
        self.callers: OrderedDict[str, _Known] = OrderedDict()
        self._rights = spec.rights
        self._keys = Keys(spec.keys)
        self._before: Mapping[str, _Known] = before.callers if before else {}

    async def name_of(self, headers: Mapping[str, str]) -> str:
        """The caller's name, by token or key. Raises IdentityError."""
        secret = _secret(headers)
        if not secret.startswith(PREFIX) and secret.count(".") == 2:
            return await self.tokens.name_of(secret)
        if (name := self._keys.name_of(secret)) is None:
            raise IdentityError("this key is not known here", cure="ask who runs this server for a key")
        return name

    def known(self, name: str) -> _Known:
        """Who has this name, with their rights; the one who came least recently is forgotten for too many."""
        known = self.callers.get(name)
        if known is None:
            entries = [entry for entry in self._rights if is_for(entry.caller, name)]
            known = self.callers[name] = _Known(Caller(name, Granted(entries)), self._bucket(name, rate_of(entries)))
            if len(self.callers) > _MOST_CALLERS:
                self.callers.popitem(last=False)
        self.callers.move_to_end(name)
        return known

    def _bucket(self, name: str, rate: tuple[float, int] | None) -> Bucket | None:
        """The caller's bucket as it was, where its rate is; else a full one."""
        if rate is None:
            return None
        before = self._before.get(name)
        if before is not None and before.bucket is not None and (before.bucket.rate, before.bucket.burst) == rate:
            return before.bucket
        return Bucket(*rate)


def stamp_of(path: Path) -> Stamp:
    """What tells one state of a file from another; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


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
