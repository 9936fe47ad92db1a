"""API keys: made here once, and known by their hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

from weft.core.errors import UsageError
from weft.spec.rights import ApiKey, is_caller_name

PREFIX = "weft_"
_BYTES = 32


def new_key(name: str) -> tuple[str, str]:
    """A new key for a caller, and the line for the access document. UsageError for a name that cannot be."""
    if not is_caller_name(name):
        raise UsageError(f"'{name[:64]}' is no caller's name", cure="use up to 64 letters, digits, '_', '-' and '.'")
    key = PREFIX + secrets.token_urlsafe(_BYTES)
    return key, f'- {{name: "{name}", hash: "{hash_of(key)}"}}'


def hash_of(key: str) -> str:
    """What the access document holds of a key. Keys are 256 random bits, so a slow hash would add nothing."""
    return "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class Keys:
    """The keys of an access document."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        # Looked up by a hash of the hash under a secret of this process: the time that takes tells nothing of either.
        self._secret = secrets.token_bytes(_BYTES)
        self._known = {self._blind(key.hash): key for key in keys}

    def name_of(self, key: str) -> str | None:
        """Whose key it is; None for nobody's."""
        given = hash_of(key)
        found = self._known.get(self._blind(given))
        return found.name if found is not None and hmac.compare_digest(found.hash, given) else None

    def _blind(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self._secret, digest_size=16).digest()
