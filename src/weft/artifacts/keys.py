"""Keys for signatures, as PEM files: ECDSA on P-256, as cosign makes them, and ed25519."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weft.core.errors import DeniedError, InputError, NotFoundError, OutputError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    Private = EllipticCurvePrivateKey | Ed25519PrivateKey
    Public = EllipticCurvePublicKey | Ed25519PublicKey

KeyType = Literal["ecdsa", "ed25519"]

PASSPHRASE = "WEFT_KEY_PASSPHRASE"
MAX_FILE = 64 << 10
CURVE = "secp256r1"

Ask = Callable[[str], str | None]
"""Asks for the passphrase of a key's file; None where nobody can be asked."""

_BOXED = (b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY")
_KINDS = "ECDSA on P-256 or ed25519"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with.

    Attributes:
        key: of the cryptography package.
        digest: SHA-256 of the key itself (its DER form), as ``sha256:`` and 64 hex digits: the key's name for machines.
        name: the key's name for people, such as its file.
    """

    key: Public
    digest: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[7:19]})"

    def made(self, signature: bytes, payload: bytes) -> bool:
        """Whether a signature of these bytes is by this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if isinstance(self.key, EllipticCurvePublicKey):
                self.key.verify(signature, payload, ECDSA(SHA256()))
            else:
                self.key.verify(signature, payload)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        """As a file."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs."""

    key: Private
    name: str

    def sign(self, payload: bytes) -> bytes:
        """The signature of these bytes: for ECDSA of their SHA-256, in ASN.1."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self.key, EllipticCurvePrivateKey):
            return self.key.sign(payload, ECDSA(SHA256()))
        return self.key.sign(payload)

    @property
    def public(self) -> PublicKey:
        """The key that its signatures are checked with."""
        return _public(self.key.public_key(), self.name)

    def pem(self, passphrase: str = "") -> bytes:
        """As a file (PKCS #8), encrypted where there is a passphrase."""
        from cryptography.hazmat.primitives import serialization

        hidden: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            hidden = serialization.BestAvailableEncryption(passphrase.encode())
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def new_key(kind: KeyType = "ecdsa") -> PrivateKey:
    """A fresh key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key: Private = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else ed25519.Ed25519PrivateKey.generate()
    return PrivateKey(key, "new")


def write_pair(key: PrivateKey, path: Path, passphrase: str = "") -> Path:
    """Write a key to ``path``, for this user alone, and its public part beside it as ``.pub``, whose path it returns.

    Raises OutputError where either is there already, or cannot be written, and UsageError for a name that ends in .pub.
    """
    public = path.with_suffix(".pub")
    if public == path:
        raise UsageError(
            "that is the name of the public part", where=str(path), cure=f"name {path.with_suffix('.pem')}"
        )
    written: list[Path] = []
    try:
        for file, data, mode in ((path, key.pem(passphrase), 0o600), (public, key.public.pem(), 0o644)):
            _write_new(file, data, mode)
            written.append(file)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        there = isinstance(error, FileExistsError)
        what = "it is there already" if there else f"cannot be written: {error.strerror}"
        cure = "name another file: what was signed with the old key needs it" if there else "name another folder"
        raise OutputError(what, where=str(error.filename), cure=cure) from error
    return public


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        error.filename = str(path)
        raise


def read_private(path: Path, ask: Ask | None = None) -> PrivateKey:
    """The key in a PEM file. Its passphrase comes from ``$WEFT_KEY_PASSPHRASE``, else ``ask`` is called.

    Raises NotFoundError, InputError, and DeniedError where the passphrase is wrong or there is none.
    """
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    where, data = str(path), _read(path)
    _refuse_others(data, where, private=True)
    secret = _passphrase(where, ask) if b"ENCRYPTED" in data else None
    try:
        key = load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):  # not told: it may quote what it read
        if secret is not None:
            cure = f"type it again, or check ${PASSPHRASE}"
            raise DeniedError("the passphrase does not open it", where=where, cure=cure) from None
        raise InputError("the key cannot be read", where=where, cure="weft key new makes one") from None
    public = key.public_key()
    if not _fits(public):
        raise _other_kind(where)
    return PrivateKey(key, path.name)  # type: ignore[arg-type]  # _fits has looked at its public part


def read_public(path: Path) -> PublicKey:
    """The public key in a PEM file. Raises NotFoundError and InputError."""
    return parse_public(_read(path), path.name, str(path))


def parse_public(data: bytes, name: str, where: str) -> PublicKey:
    """The public key in PEM text. Raises InputError."""
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    _refuse_others(data, where, private=False)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm, InternalError) as error:
        cure = "give the .pub that weft key new or cosign wrote"
        raise InputError("the public key cannot be read", where=where, cure=cure) from error
    if not _fits(key):
        raise _other_kind(where)
    return _public(key, name)  # type: ignore[arg-type]  # _fits has looked


def _public(key: Public, name: str) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(key, f"sha256:{hashlib.sha256(der).hexdigest()}", name)


def _fits(key: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    curve = isinstance(key, EllipticCurvePublicKey) and key.curve.name == CURVE
    return curve or isinstance(key, Ed25519PublicKey)


def _other_kind(where: str) -> InputError:
    return InputError("the key is of another kind", where=where, cure=f"Weft takes {_KINDS}: weft key new makes one")


def _refuse_others(data: bytes, where: str, *, private: bool) -> None:
    """Files that are no such key, told before anything tries to read them."""
    if any(kind in data for kind in _BOXED) and private:
        cure = (
            "sign with cosign itself, whose signatures Weft checks; or use a key of weft key new, which cosign imports"
        )
        raise InputError("it is encrypted in cosign's own way, which Weft cannot open", where=where, cure=cure)
    secret = b"PRIVATE KEY-----" in data
    if b"-----BEGIN " not in data:
        raise InputError("it is no key in PEM form", where=where, cure="weft key new makes one")
    if secret and not private:
        raise InputError("it is a private key", where=where, cure="give its public part, the .pub beside it")
    if private and not secret:
        raise InputError("it is no private key", where=where, cure="give the .pem that weft key new wrote")


def _passphrase(where: str, ask: Ask | None) -> bytes:
    secret = os.environ.get(PASSPHRASE) or (ask(where) if ask is not None else None)
    if not secret:
        cure = f"set ${PASSPHRASE}, or run it on a terminal"
        raise DeniedError("the key has a passphrase", where=where, cure=cure)
    return secret.encode()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        cure = "check the path; weft key new makes a key"
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error
    if len(data) > MAX_FILE:
        raise InputError("it is too large for a key", where=str(path), cure="weft key new makes one")
    return data
