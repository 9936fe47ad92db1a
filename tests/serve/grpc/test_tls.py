"""gRPC with a certificate."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
import tritonclient.grpc as triton
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tritonclient.utils import InferenceServerException

from tests.serve.grpc.conftest import ONES, Start, given, target
from weft.core.errors import InputError
from weft.serve.tls import Tls


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """A certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weft")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Tls(pem, private)


def test_the_client_trusts_the_certificate(start: Start, tiny: Callable[..., Path], tls: Tls):
    server = start({"net": tiny()}, tls=tls)
    with triton.InferenceServerClient(target(server), ssl=True, root_certificates=str(tls.certificate)) as client:
        assert client.infer("net", [given(ONES)]).as_numpy("y").shape == (1, 4)
    with triton.InferenceServerClient(target(server)) as client, pytest.raises(InferenceServerException):
        client.is_server_live(client_timeout=5)


def test_a_certificate_that_is_none(start: Start, tiny: Callable[..., Path], tls: Tls):
    with pytest.raises(InputError, match="PEM"):
        start({"net": tiny()}, tls=Tls(tls.key, tls.certificate))
