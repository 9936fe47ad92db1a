"""The certificate a server shows, for HTTP and gRPC."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import InputError


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate and its key, PEM files. Connections are TLS 1.2 or newer.

    Attributes:
        certificate: with those between it and the authority behind it.
        key: its private key, without a password.
    """

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For HTTP. Raises InputError for files that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # A password is never asked for: that would hold up a server without a terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else ""
            raise InputError(
                f"cannot be used with the key {self.key.name}: {reason or 'they are no pair of PEM files'}",
                where=str(self.certificate),
                cure="name a certificate and its own key without a password, both PEM",
            ) from error
        return context

    def pem(self) -> tuple[bytes, bytes]:
        """Key and certificates as gRPC takes them. Raises as :meth:`context`."""
        self.context()
        return self.key.read_bytes(), self.certificate.read_bytes()
