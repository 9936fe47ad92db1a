"""Why a request cannot be made, as an ``error-code`` of ``wasi:http`` and in words."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Literal

Code = Literal[
    "DNS-error",
    "destination-unavailable",
    "destination-IP-prohibited",
    "connection-refused",
    "connection-terminated",
    "connection-timeout",
    "connection-limit-reached",
    "TLS-protocol-error",
    "TLS-certificate-error",
    "HTTP-request-denied",
    "HTTP-request-method-invalid",
    "HTTP-request-URI-invalid",
    "HTTP-protocol-error",
]

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}


class HttpFault(Exception):
    """A request that is not made: the code for the guest, and the reason and the cure for people."""

    def __init__(self, code: Code, reason: str, cure: str = "") -> None:
        super().__init__(reason)
        self.code: Code = code
        self.reason = reason
        self.cure = cure


def fault_of(error: Exception, target: str) -> HttpFault:
    """What an error of the resolver, a socket or TLS is to a guest."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    match error:
        case socket.gaierror():
            return HttpFault("DNS-error", f"{target}: {said}", "check the host's name, and this machine's DNS")
        case ssl.SSLCertVerificationError():
            cure = "have the server's certificate signed by who this machine trusts, or name them in SSL_CERT_FILE"
            return HttpFault("TLS-certificate-error", f"{target}: {error.verify_message}", cure)
        case ssl.SSLError():
            return HttpFault("TLS-protocol-error", f"{target}: {error.reason or said}", "does it speak TLS there?")
        case TimeoutError():
            return HttpFault("connection-timeout", f"{target}: no connection in time", "is the host up?")
        case ConnectionRefusedError():
            return HttpFault("connection-refused", f"{target}: nobody listens there", "check the port")
        case OSError(errno=number) if number in _UNREACHABLE:
            return HttpFault("destination-unavailable", f"{target}: {said}", "check this machine's network")
        case _:
            return HttpFault("connection-terminated", f"{target}: {said}")
