"""An issuer's public keys: a file or an address, kept, and read again when they are old or one is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from weft.core.clock import monotonic
from weft.core.errors import BusyError, InputError, UnavailableError, WeftError
from weft.spec.rights import Algorithm

log = logging.getLogger("weft.serve")

MAX_KEYS = 100
_MAX_BYTES = 2**20
_FETCH_S = 5.0
_MIN_RSA_BITS = 2048
_TYPES: Mapping[Algorithm, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with, and the only algorithm it is for."""

    kid: str
    algorithm: Algorithm
    key: Any


def read_jwks(content: bytes, algorithms: Iterable[Algorithm], where: str) -> tuple[PublicKey, ...]:
    """The keys of a JSON Web Key Set that are for these algorithms. Raises InputError for what is none."""
    try:
        found = msgspec.json.decode(content)
        listed = found["keys"]
        keys = [one for one in listed if isinstance(one, dict)][: MAX_KEYS + 1]
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
        raise InputError("holds no JSON Web Key Set", where=where, cure='give {"keys": […]}') from error
    if len(keys) > MAX_KEYS:
        raise InputError(f"holds more than {MAX_KEYS} keys", where=where, cure="leave out those that are not used")
    wanted = tuple(algorithms)
    made = tuple(key for one in keys if (key := _key(one, wanted)))
    if not made:
        raise InputError(f"holds no key for {', '.join(wanted)}", where=where, cure="list the issuer's algorithms")
    return made


def _key(given: Mapping[str, Any], algorithms: tuple[Algorithm, ...]) -> PublicKey | None:
    """None for a key that is for something else, private, too short or broken."""
    import jwt

    shape = (given.get("kty"), None if given.get("kty") == "RSA" else given.get("crv"))
    algorithm = next((one for one in algorithms if _TYPES[one] == shape), None)
    if algorithm is None or given.get("alg", algorithm) != algorithm or given.get("use", "sig") != "sig":
        return None
    if "d" in given:
        log.warning("a key of an issuer is a private one and is left out: give public keys")
        return None
    try:
        key = jwt.PyJWK(dict(given), algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("a key of an issuer is left out: %s", type(error).__name__)
        return None
    if algorithm == "RS256" and key.key_size < _MIN_RSA_BITS:
        log.warning("a key of an issuer is left out: %d bits are too few", key.key_size)
        return None
    kid = given.get("kid", "")
    return PublicKey(kid if isinstance(kid, str) else "", algorithm, key)


class KeySet:
    """The keys of one issuer. For the event loop's thread.

    Policy: nothing is fetched before the first token; then after ``refresh_s``, beside the requests; and at once, but
    at most every ``retry_s``, when a token names a key that is not known. What cannot be fetched leaves the old keys.
    """

    def __init__(
        self, place: str | Path, algorithms: tuple[Algorithm, ...], *, refresh_s: float = 3600.0, retry_s: float = 30.0
    ) -> None:
        """``place`` is a file, which is read here, or an address. Raises what reading it raises."""
        self.fetches = self.failures = 0
        self._place = place
        self._algorithms = algorithms
        self._refresh_s, self._retry_s = refresh_s, retry_s
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched = self._tried = -float("inf")
        self._fetching: asyncio.Task[None] | None = None
        if isinstance(place, Path):
            self._take(_read(place))

    async def find(self, kid: str, algorithm: str) -> PublicKey | None:
        """The key of that name for that algorithm; without a name, the only one for it. None where there is none.

        Raises BusyError while there are no keys at all.
        """
        if not self._keys or (found := self._known(kid, algorithm)) is None:
            await self._again()
            found = self._known(kid, algorithm)
        elif monotonic() - self._fetched > self._refresh_s:
            self._begin()
        if not self._keys:
            what = "the keys of the tokens' issuer cannot be had"
            raise BusyError(what, retry_after_s=self._retry_s, cure="ask again later; the server's log says why")
        return found

    def _known(self, kid: str, algorithm: str) -> PublicKey | None:
        fitting = [key for key in self._keys if key.algorithm == algorithm and (not kid or key.kid == kid)]
        return fitting[0] if fitting and (kid or len(fitting) == 1) else None

    async def _again(self) -> None:
        if (task := self._begin()) is not None:
            await asyncio.shield(task)

    def _begin(self) -> asyncio.Task[None] | None:
        """The fetch that is on its way, or a new one; None so soon after the last."""
        if self._fetching is None and monotonic() - self._tried >= self._retry_s:
            self._tried = monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        self.fetches += 1
        try:
            if isinstance(self._place, Path):
                content = await asyncio.to_thread(_read, self._place)
            else:
                content = await _download(self._place)
            self._take(content)
        except WeftError as error:
            self.failures += 1
            log.warning(
                "an issuer's keys cannot be had, %s: %s", "the old ones stay" if self._keys else "none yet", error
            )
        finally:
            self._fetching = None

    def _take(self, content: bytes) -> None:
        self._keys = read_jwks(content, self._algorithms, str(self._place))
        self._fetched = monotonic()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), cure="name the issuer's keys") from error
    _check_size(content, str(path))
    return content


async def _download(address: str) -> bytes:
    """What an address gives; no redirects are followed, so that nobody else is believed."""
    import httpx

    content = bytearray()
    try:
        async with (
            asyncio.timeout(_FETCH_S),
            httpx.AsyncClient(timeout=_FETCH_S) as client,
            client.stream("GET", address, headers={"accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise UnavailableError(f"answers {answer.status_code}", where=address)
            async for piece in answer.aiter_bytes():
                content += piece
                _check_size(content, address)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise UnavailableError(f"cannot be reached: {error or type(error).__name__}", where=address) from error
    return bytes(content)


def _check_size(content: bytes | bytearray, where: str) -> None:
    if len(content) > _MAX_BYTES:
        raise InputError("is larger than 1 MiB", where=where, cure="name a JSON Web Key Set")
