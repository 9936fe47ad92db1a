"""An issuer of tokens, with an address that gives its keys."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example", "weft"
_MAKERS = {
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}


class Signer:
    """A private key and what is published of it."""

    def __init__(self, algorithm: str, kid: str) -> None:
        make, form = _MAKERS[algorithm]
        self.algorithm, self.kid, self.private = algorithm, kid, make()
        self.public: dict[str, Any] = {**json.loads(form.to_jwk(self.private.public_key())), "kid": kid, "use": "sig"}

    def token(self, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token; a claim that is None is left out."""
        now = time()
        every = {"iss": ISSUER, "aud": AUDIENCE, "sub": "cam", "exp": now + 300, "nbf": now - 1, **claims}
        given = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(given, self.private, self.algorithm, {"kid": self.kid, **(head or {})})


class Published:
    """Keys at an address."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.status = 200
        self.asked = 0
        self.url = ""


@contextmanager
def published(*signers: Signer) -> Iterator[Published]:
    """An address with these signers' keys."""
    place = Published()
    place.keys = [signer.public for signer in signers]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked += 1
            self.send_response(place.status)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": place.keys}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    place.url = f"http://127.0.0.1:{server.server_port}/jwks"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
