"""Who a process is to others: certificates of a site's own authority, made where the site begins.

An authority is a self-signed certificate whose key stays on one machine. It issues a certificate per device; both
sides of every connection show theirs. ECDSA on P-256, as RFC 8446 asks of every TLS 1.3 implementation.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from weft.core.errors import InputError, NotFoundError, OutputError, UsageError
from weft.core.files import read_whole

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_DAYS = 3650
DEVICE_DAYS = 825
_AUTHORITY = "authority"
_MARGIN = timedelta(minutes=5)
MAX_FILE = 64 * 1024
"""Bytes of a file with a certificate or key."""

_DNS_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*")


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and the authority that vouches for the others; all PEM.

    Attributes:
        name: the common name, by which rules know the device.
    """

    name: str
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    authority: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Identity:
        """From the file that ``weft cert`` wrote. Raises NotFoundError and InputError, which never quote the file."""
        try:
            text = read_whole(path, MAX_FILE)
        except OSError as error:
            raise NotFoundError(
                f"the certificate cannot be read: {error.strerror}",
                where=str(path),
                cure="make one with `weft cert NAME`",
            ) from error
        blocks = _blocks(text)
        if [kind for kind, _ in blocks] != ["CERTIFICATE", "PRIVATE KEY", "CERTIFICATE"]:
            what = "no identity: it holds a certificate, its key and the authority's certificate, in this order"
            raise InputError(what, where=str(path), cure="use a file that `weft cert` wrote")
        (_, certificate), (_, key), (_, authority) = blocks
        _check_together(certificate, key, authority, str(path))
        return cls(_checked_name(certificate, str(path)), certificate, key, authority)

    def write(self, path: Path) -> None:
        """Write it to a file that only this user may read. Raises OutputError."""
        _write_secret(path, self.certificate + self.key + self.authority)


class Authority:
    """A site's authority, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Open the authority in ``folder``, or make one there. Raises OutputError, InputError."""
        self._certificate_path = folder / f"{_AUTHORITY}.pem"
        self._key_path = folder / f"{_AUTHORITY}.key"
        with _alone_in(folder):
            there = self._certificate_path.exists(), self._key_path.exists()
            if not any(there):
                self._make()
        if any(there) and not all(there):
            missing = self._key_path if there[0] else self._certificate_path
            what = f"half an authority: {missing.name} is missing"
            raise InputError(what, where=str(folder), cure="put it back, or begin anew in an empty folder")
        self.certificate = _read_secret(self._certificate_path)
        _check_together(self.certificate, _read_secret(self._key_path), self.certificate, str(folder))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the authority's certificate, as people compare it."""
        return fingerprint(self.certificate)

    def issue(self, name: str, hosts: tuple[str, ...] = (), days: float = DEVICE_DAYS) -> Identity:
        """A certificate for a device, good for connecting and, as ``hosts``, for listening.

        Raises UsageError for a name or host that no certificate can hold.
        """
        signer = _loaded_key(_read_secret(self._key_path), str(self._key_path))
        key = _new_key()
        certificate = _device(name, hosts, days, key, self.certificate, signer)
        return Identity(name, certificate, _key_pem(key), self.certificate)

    def _make(self) -> None:
        key = _new_key()
        _write_secret(self._key_path, _key_pem(key))
        _write_secret(self._certificate_path, _self_signed(key))


def fingerprint(pem: bytes) -> str:
    """The SHA-256 of a certificate, in pairs of hex digits."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    return x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex(":").upper()


def own_hosts() -> tuple[str, ...]:
    """The names and addresses others may know this machine by."""
    name = socket.gethostname()
    hosts = ["localhost", "127.0.0.1", "::1", name, socket.getfqdn()]
    with suppress(OSError):  # a machine that does not know its own name is known by its address, which --name gives
        hosts += [str(info[4][0]) for info in socket.getaddrinfo(name, None)]
    return tuple(dict.fromkeys(host.split("%")[0] for host in hosts))


def _device(
    name: str,
    hosts: tuple[str, ...],
    days: float,
    key: EllipticCurvePrivateKey,
    authority: bytes,
    signer: EllipticCurvePrivateKey,
) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer = x509.load_pem_x509_certificate(authority).subject
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    builder = _builder(_subject(name), issuer, key, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    names = dict.fromkeys((name, *hosts) if _DNS_NAME.fullmatch(name) else hosts)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in names]), critical=False)
    return _pem(builder.add_extension(uses, critical=False).sign(signer, SHA256()))


def _self_signed(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    subject = _subject(f"weft authority of {socket.gethostname()}"[:64])
    uses = {"key_cert_sign": True, "crl_sign": True, "digital_signature": True}
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    usage = x509.KeyUsage(**uses, **dict.fromkeys((*others, "decipher_only"), False))
    builder = _builder(subject, subject, key, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _pem(builder.add_extension(usage, critical=True).sign(key, SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(min(now, now + timedelta(days=days)) - _MARGIN).not_valid_after(
        now + timedelta(days=days)
    )


def _subject(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    if not name.strip() or len(name) > 64 or not name.isprintable():
        raise UsageError(f"'{name[:64]}' is no device's name", cure="1 to 64 printable characters")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _DNS_NAME.fullmatch(host):
        raise UsageError(f"'{host}' is no host's name", cure="a DNS name or an IP address")
    return x509.DNSName(host)


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _blocks(text: bytes) -> list[tuple[str, bytes]]:
    """The PEM blocks of a file by kind; empty when it is no PEM file."""
    found: list[tuple[str, bytes]] = []
    lines: list[bytes] = []
    for line in text.splitlines():
        lines.append(line)
        if line.startswith(b"-----BEGIN "):
            lines = [line]
        elif line.startswith(b"-----END "):
            kind = line.removeprefix(b"-----END ").removesuffix(b"-----").decode("ascii", "replace")
            found.append((kind, b"\n".join(lines) + b"\n"))
    return found


def _checked_name(certificate: bytes, where: str) -> str:
    """The common name of a certificate that is valid now. Raises InputError."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        read = x509.load_pem_x509_certificate(certificate)
        (name,) = read.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise InputError("not a certificate", where=where, cure="make it again with `weft cert`") from error
    shown = name.value if isinstance(name.value, str) else name.value.decode("utf-8", "replace")
    if datetime.now(UTC) < read.not_valid_before_utc:
        what = f"the certificate of '{shown}' is valid only from {read.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on"
        raise InputError(what, where=where, cure="set this machine's clock")
    if datetime.now(UTC) > read.not_valid_after_utc:
        what = f"the certificate of '{shown}' expired on {read.not_valid_after_utc:%Y-%m-%d}"
        raise InputError(what, where=where, cure="make a new one with `weft cert`")
    return shown


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file that only this user may read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            partial.replace(path)
        except BaseException:
            partial.unlink()
            raise
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _read_secret(path: Path) -> bytes:
    try:
        return read_whole(path, MAX_FILE)
    except OSError as error:
        raise NotFoundError(f"cannot be read: {error.strerror}", where=str(path), cure="run as its owner") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """A folder, made where it is absent, that no other process makes an authority in at this moment."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OutputError(f"no authority can be there: {error.strerror}", where=str(folder)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _loaded_key(key: bytes, where: str) -> EllipticCurvePrivateKey:
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        loaded = None  # the error may quote what it read
    if not isinstance(loaded, EllipticCurvePrivateKey):
        raise InputError("the key cannot be read", where=where, cure="make it again with `weft cert`")
    return loaded


def _check_together(certificate: bytes, key: bytes, authority: bytes, where: str) -> None:
    """The key is the certificate's, and the authority issued it. Raises InputError."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    cure = "use a file as `weft cert` wrote it"
    try:
        device, issuer = (x509.load_pem_x509_certificate(pem) for pem in (certificate, authority))
    except ValueError as error:
        raise InputError("not a certificate", where=where, cure="make it again with `weft cert`") from error
    if device.public_key() != _loaded_key(key, where).public_key():
        raise InputError("the key belongs to another certificate", where=where, cure=cure)
    try:
        device.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise InputError("the certificate is not of the authority beside it", where=where, cure=cure) from error
