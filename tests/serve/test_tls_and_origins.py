"""TLS, and pages of other origins."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.serve.conftest import Serve
from weft.core.errors import InputError, UsageError
from weft.serve.cors import Cors
from weft.serve.grpc.face import GrpcInference
from weft.serve.grpc.settings import GrpcSettings
from weft.serve.oip.rest import OpenInference
from weft.serve.tls import Tls

PAGE = "https://page.example"


def pair(folder: Path, name: str = "server", encryption: KeySerializationEncryption | None = None) -> Tls:
    """A certificate for 127.0.0.1 that stands for itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Tls(folder / f"{name}.pem", folder / f"{name}.key")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return files


def test_it_serves_over_tls_and_nothing_older_than_1_2(serve: Serve, tiny: Callable[..., Path], tmp_path: Path) -> None:
    tls = pair(tmp_path)
    server = serve({"net": tiny()}, tls=tls)
    assert server.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(tls.certificate))
    assert httpx.get(f"{server.url}/v2/health/ready", verify=trusting).json() == {"ready": True}
    trusting.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/v2/health/ready", verify=trusting)
    with pytest.raises(httpx.HTTPError):
        httpx.get(server.url.replace("https", "http"))


def test_grpc_shows_the_same_certificate(serve: Serve, tiny: Callable[..., Path], tmp_path: Path) -> None:
    from tritonclient.grpc import InferenceServerClient

    tls, face = pair(tmp_path), GrpcInference(GrpcSettings(port=0))
    serve({"net": tiny()}, faces=[OpenInference(), face], tls=tls)
    host, port = face.address
    with InferenceServerClient(f"{host}:{port}", ssl=True, root_certificates=str(tls.certificate)) as client:
        assert client.is_server_ready()
        assert client.is_model_ready("net")


def test_files_that_are_no_pair_are_told(tmp_path: Path) -> None:
    one, other = pair(tmp_path), pair(tmp_path, "other")
    locked = pair(tmp_path, "locked", BestAvailableEncryption(b"word"))
    none = Tls(tmp_path / "none.pem", one.key)
    for wrong in (Tls(one.certificate, other.key), Tls(one.key, one.certificate), locked, none):
        with pytest.raises(InputError, match="cannot be used with the key"):
            wrong.context()
    key, certificate = one.pem()
    assert b"PRIVATE KEY" in key
    assert b"CERTIFICATE" in certificate


def test_pages_are_told_nothing_by_default(serve: Serve, tiny: Callable[..., Path]) -> None:
    server = serve({"net": tiny()})
    answer = httpx.get(f"{server.url}/v2", headers={"origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_named_page_may_ask_and_read_the_answer(serve: Serve, tiny: Callable[..., Path]) -> None:
    server = serve({"net": tiny()}, cors_origins=(PAGE,))
    asked = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "X-Own, evil"}
    before = httpx.options(f"{server.url}/v2/models/net/infer", headers=asked)
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, PAGE)
    assert "POST" in before.headers["access-control-allow-methods"]
    allowed = before.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "x-own"} <= set(allowed)
    assert "evil" not in allowed
    assert "access-control-allow-credentials" not in before.headers
    for path in ("/v2", "/v2/models/none"):
        answer = httpx.get(f"{server.url}{path}", headers={"origin": PAGE})
        assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (PAGE, "origin")


def test_another_page_may_not(serve: Serve, tiny: Callable[..., Path]) -> None:
    server = serve({"net": tiny()}, cors_origins=(PAGE,))
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    before = httpx.options(f"{server.url}/v2/models/net/infer", headers=asked)
    assert before.status_code == 403
    answer = httpx.get(f"{server.url}/v2", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


def test_all_pages_may_be_named(serve: Serve, tiny: Callable[..., Path]) -> None:
    server = serve({"net": tiny()}, cors_origins=("*",))
    answer = httpx.get(f"{server.url}/v2", headers={"origin": PAGE})
    assert answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("origin", ["page.example", "https://page.example/", "ftp://x", "https://x?y", ""])
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(UsageError, match="is no origin"):
        Cors([origin])
