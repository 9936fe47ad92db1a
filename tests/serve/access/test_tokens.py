"""Tokens: those that are right, and every way in which one is not."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from pathlib import Path
from time import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.serve.access.issuer import AUDIENCE, ISSUER, Published, Signer, published
from tests.serve.access.letting import let_in
from weft.core.errors import BusyError, IdentityError, InputError
from weft.serve.access.documented import DocumentAccess
from weft.serve.access.jwks import KeySet, read_jwks
from weft.spec.rights import parse_rights

SIGNERS = {name: Signer(name, f"k-{name}") for name in ("RS256", "ES256", "EdDSA")}
RSA = SIGNERS["RS256"]


def access(jwks: str, algorithms: str = "RS256, ES256, EdDSA", **more: str) -> DocumentAccess:
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    text = f"""
tokens:
  - {{name: plant, issuer: {ISSUER}, audience: {AUDIENCE}, algorithms: [{algorithms}], jwks: "{jwks}"{extra}}}
rights: [{{caller: plant/cam*, infer: [model/a*]}}]
"""
    return DocumentAccess(parse_rights(text))


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [signer.public for signer in SIGNERS.values()]}))
    return path


def admit(door: DocumentAccess, token: str) -> str:
    return asyncio.run(let_in(door, {"authorization": f"Bearer {token}"}, "peer")).name


@pytest.mark.parametrize("algorithm", list(SIGNERS))
def test_a_right_token_names_its_caller(jwks: Path, algorithm: str) -> None:
    door = access(str(jwks))
    token = SIGNERS[algorithm].token(aud=["other", AUDIENCE])
    caller = asyncio.run(let_in(door, {"authorization": f"bearer {token}"}, "peer"))
    assert caller.name == "plant/cam"
    assert caller.may("infer", "model", "abc")
    assert not caller.may("infer", "model", "b")
    assert not caller.may("read", "model", "abc")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": time() - 100}, "expired"),
        ({"exp": None}, "wrong"),
        ({"nbf": time() + 100_000}, "not valid yet"),
        ({"iat": time() + 100_000}, "not valid yet"),
        ({"aud": "others"}, "somebody else"),
        ({"aud": None}, "wrong"),
        ({"iss": "https://evil.example"}, "not believed"),
        ({"iss": None}, "not believed"),
        ({"sub": None}, "no sub"),
        ({"sub": ""}, "no sub"),
        ({"sub": "a\nb"}, "no sub"),
        ({"sub": "x" * 200}, "no sub"),
        ({"exp": "soon"}, "wrong"),
    ],
)
def test_claims_that_do_not_hold(jwks: Path, claims: dict[str, Any], said: str) -> None:
    with pytest.raises(IdentityError, match=said):
        admit(access(str(jwks)), RSA.token(**claims))


def test_clocks_may_be_apart_a_little(jwks: Path) -> None:
    door = access(str(jwks))
    assert admit(door, RSA.token(exp=time() - 10, nbf=time() + 10)) == "plant/cam"
    with pytest.raises(IdentityError, match="expired"):
        admit(access(str(jwks), leeway="1s"), RSA.token(exp=time() - 10))


def unsigned(head: dict[str, Any], signature: bytes = b"") -> str:
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "cam", "exp": time() + 300}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, payload)]
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS512", "", 7, None])
def test_other_algorithms_are_refused(jwks: Path, alg: object) -> None:
    with pytest.raises(IdentityError):
        admit(access(str(jwks)), unsigned({"alg": alg, "kid": RSA.kid}, b"x"))


def test_a_public_key_is_no_shared_secret(jwks: Path) -> None:
    """The classic: a token signed by HMAC with the public key as everybody has it."""
    pem = RSA.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for alg in ("HS256", "RS256"):
        body = unsigned({"alg": alg, "kid": RSA.kid}).rpartition(".")[0]
        signature = base64.urlsafe_b64encode(hmac.digest(pem, body.encode(), "sha256")).rstrip(b"=").decode()
        with pytest.raises(IdentityError):
            admit(access(str(jwks)), f"{body}.{signature}")


def test_algorithms_that_are_not_listed_are_refused(jwks: Path) -> None:
    with pytest.raises(IdentityError, match="'ES256' are not taken"):
        admit(access(str(jwks), "RS256"), SIGNERS["ES256"].token())


def test_a_key_is_for_its_own_algorithm(jwks: Path) -> None:
    with pytest.raises(IdentityError, match="key is not known"):
        admit(access(str(jwks), retry="1ms"), SIGNERS["ES256"].token({"kid": RSA.kid}))


@pytest.mark.parametrize("change", [{"crit": ["exp"]}, {"kid": "../k"}])
def test_headers_that_are_not_understood(jwks: Path, change: dict[str, Any]) -> None:
    with pytest.raises(IdentityError):
        admit(access(str(jwks)), RSA.token(change))


def test_a_signature_of_somebody_else(jwks: Path) -> None:
    with pytest.raises(IdentityError, match="wrong"):
        admit(access(str(jwks)), Signer("RS256", RSA.kid).token())
    token = RSA.token()
    head, _, signature = token.split(".")
    other = RSA.token(sub="root").split(".")[1]
    with pytest.raises(IdentityError, match="wrong"):
        admit(access(str(jwks)), f"{head}.{other}.{signature}")


@pytest.mark.parametrize("text", ["a.b.c", "..", "x" * 9000 + ".b.c", "é.é.é", "e30.e30.e30"])
def test_what_is_no_token(jwks: Path, text: str) -> None:
    with pytest.raises(IdentityError):
        admit(access(str(jwks)), text)


def test_a_remembered_token_ends_when_it_expires(jwks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    door = access(str(jwks), leeway="1s")
    token = RSA.token(exp=time() + 30)
    assert admit(door, token) == admit(door, token) == "plant/cam"
    later = time() + 40
    monkeypatch.setattr("weft.serve.access.tokens.time", lambda: later)
    monkeypatch.setattr(jwt.api_jwt, "datetime", _Later(later))
    with pytest.raises(IdentityError, match="expired"):
        admit(door, token)


class _Later:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self, tz: object = None) -> Any:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self._seconds, UTC)


# --- keys at an address --------------------------------------------------------------------


def found(keys: KeySet, *kids: str) -> list[bool]:
    async def find() -> list[bool]:
        return [await keys.find(kid, "RS256") is not None for kid in kids]

    return asyncio.run(find())


@pytest.fixture
def place() -> Any:
    with published(RSA) as found:
        yield found


def test_keys_are_fetched_when_they_are_wanted_and_kept(place: Published) -> None:
    keys = KeySet(place.url, ("RS256",))
    assert place.asked == 0
    assert found(keys, RSA.kid, RSA.kid, RSA.kid) == [True] * 3
    assert place.asked == 1


def test_an_unknown_key_is_looked_for_at_most_so_often(place: Published) -> None:
    keys = KeySet(place.url, ("RS256",), retry_s=1000)
    assert found(keys, RSA.kid, "new", "new", "other") == [True, False, False, False]
    assert place.asked == 1


def test_a_new_key_is_found(place: Published) -> None:
    keys, new = KeySet(place.url, ("RS256",), retry_s=1e-9), Signer("RS256", "new")
    assert found(keys, RSA.kid) == [True]
    place.keys.append(new.public)
    assert found(keys, "new", RSA.kid) == [True, True]
    assert place.asked == 2


def test_the_old_keys_stay_when_the_new_ones_cannot_be_had(place: Published) -> None:
    keys = KeySet(place.url, ("RS256",), retry_s=1e-9)
    assert found(keys, RSA.kid) == [True]
    place.status = 500
    assert found(keys, "new", RSA.kid) == [False, True]
    place.status, place.keys = 200, []
    assert found(keys, "new", RSA.kid) == [False, True]
    assert (keys.fetches, keys.failures) == (3, 2)


def test_old_keys_are_fetched_again_beside_the_requests(place: Published) -> None:
    async def twice() -> bool:
        keys = KeySet(place.url, ("RS256",), refresh_s=1e-9, retry_s=1e-9)
        first = await keys.find(RSA.kid, "RS256")
        second = await keys.find(RSA.kid, "RS256")
        await keys.find("unknown", "RS256")  # waits for the one on its way
        return first is not None and second is not None

    assert asyncio.run(twice())
    assert place.asked == 2


def test_without_any_keys_callers_are_told_to_come_back(place: Published) -> None:
    place.status = 404
    with pytest.raises(BusyError) as raised:
        found(KeySet(place.url, ("RS256",), retry_s=7), RSA.kid)
    assert raised.value.retry_after_s == 7


def test_a_token_without_a_key_name_takes_the_only_key(place: Published) -> None:
    keys = KeySet(place.url, ("RS256",), retry_s=1e-9)
    assert found(keys, "") == [True]
    place.keys.append(Signer("RS256", "second").public)
    assert found(keys, "second", "") == [True, False]


def test_a_redirect_is_not_followed(place: Published) -> None:
    place.status = 302
    with pytest.raises(BusyError):
        found(KeySet(place.url, ("RS256",)), RSA.kid)


# --- key sets ------------------------------------------------------------------------------


def kids(*keys: dict[str, Any]) -> list[str]:
    return [key.kid for key in read_jwks(json.dumps({"keys": [RSA.public, *keys]}).encode(), ("RS256", "ES256"), "x")]


def test_keys_for_something_else_are_left_out() -> None:
    short = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key()))
    private = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.private))
    others = [
        {**RSA.public, "kid": "enc", "use": "enc"},
        {**RSA.public, "kid": "alg", "alg": "RS512"},
        {**short, "kid": "short"},
        {**private, "kid": "private"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {**RSA.public, "kid": "broken", "n": "!"},
        SIGNERS["EdDSA"].public,
    ]
    assert kids(*others) == [RSA.kid]
    assert kids(SIGNERS["ES256"].public) == [RSA.kid, "k-ES256"]


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": 3}', b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}'])
def test_what_is_no_key_set(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(text)
    with pytest.raises(InputError):
        KeySet(tmp_path / "jwks.json", ("RS256",))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        access(str(tmp_path / "none.json"))
