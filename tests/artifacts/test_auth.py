"""Who asks: basic, tokens, docker's files and helpers; and that none of it is ever shown."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.artifacts.conftest import FAST, PASSWORD, USER, Served
from tests.artifacts.front import Answer, Asked, Front, front
from weft.artifacts.auth import Authorizer, Challenge, parse_challenge
from weft.artifacts.credentials import Credentials, find_credentials
from weft.artifacts.http import Http
from weft.artifacts.local import run
from weft.artifacts.pull import pull
from weft.artifacts.push import pack_wasm, push
from weft.artifacts.reference import parse_oci
from weft.artifacts.store import Store
from weft.core.errors import DeniedError, InputError, OutputError, UnavailableError, UsageError


def docker_config(folder: Path, **content: object) -> None:
    (folder / "docker").mkdir(exist_ok=True)
    (folder / "docker" / "config.json").write_text(json.dumps(content))


def packed_login(user: str = USER, password: str = PASSWORD) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def test_strangers_are_told_how_to_log_in(closed_registry: Served, store: Store, module: Path) -> None:
    with pytest.raises(DeniedError, match="strangers") as told:
        run(push(pack_wasm(store, module), closed_registry.name("a/b:1"), store, FAST))
    assert "docker login" in told.value.cure
    assert told.value.exit_code == 77


def test_dockers_config_lets_us_in(
    closed_registry: Served, store: Store, other: Store, module: Path, tmp_path: Path
) -> None:
    docker_config(tmp_path, auths={closed_registry.host: {"auth": packed_login()}})
    reference = closed_registry.name("a/b:1")
    run(push(pack_wasm(store, module), reference, store, FAST))
    assert run(pull(reference, other, FAST)).kind == "wasm"


def test_a_wrong_password_is_told_and_not_shown(closed_registry: Served, store: Store, tmp_path: Path) -> None:
    docker_config(tmp_path, auths={closed_registry.host: {"auth": packed_login(password="wr0ng-pass")}})
    with pytest.raises(DeniedError, match="this user") as told:
        run(pull(closed_registry.name("a/b:1"), store, FAST))
    assert "wr0ng" not in repr(told.value) + str(told.value)


@pytest.fixture
def token_registry(registry: Served):
    """A registry that takes tokens, which the same server gives to who has the password: good for one request each."""
    given: list[str] = []

    def rule(asked: Asked) -> Answer | None:
        if asked.path.startswith("/token"):
            if asked.headers.get("Authorization") != f"Basic {packed_login()}":
                return Answer(401, {}, b"{}")
            given.append(f"t{len(given)}")
            return Answer(200, {}, json.dumps({"token": given[-1], "expires_in": 300}).encode())
        if given and asked.headers.get("Authorization") == f"Bearer {given[-1]}":
            return None
        scope = "repository:a/tok:pull,push"
        realm = f'Bearer realm="http://{asked.headers["Host"]}/token",service="weft tests",scope="{scope}"'
        return Answer(401, {"WWW-Authenticate": realm}, b"{}")

    with front(registry.host, rule) as made:
        yield made


def test_a_token_is_fetched_once_for_many_calls(
    token_registry: Front, store: Store, other: Store, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEFT_REGISTRY", token_registry.host)
    monkeypatch.setenv("WEFT_REGISTRY_USER", USER)
    monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", PASSWORD)
    reference = parse_oci(f"{token_registry.host}/a/tok:1")
    run(push(pack_wasm(store, module), reference, store, FAST))
    [asked] = token_registry.of("GET", "/token")
    query = parse_qs(urlsplit(asked.path).query)
    assert query == {"service": ["weft tests"], "scope": ["repository:a/tok:pull,push"]}
    assert run(pull(reference, other, FAST)).kind == "wasm"
    assert len(token_registry.of("GET", "/token")) == 2


def test_a_token_server_that_refuses_is_told(token_registry: Front, store: Store, tmp_path: Path) -> None:
    docker_config(tmp_path, auths={token_registry.host: {"username": "weft", "password": "wr0ng-pass"}})
    with pytest.raises(DeniedError, match="this user") as told:
        run(pull(parse_oci(f"{token_registry.host}/a/tok:1"), store, FAST))
    assert "wr0ng" not in str(told.value)


def test_an_identity_token_is_exchanged(registry: Served, store: Store, tmp_path: Path) -> None:
    def rule(asked: Asked) -> Answer | None:
        if asked.path.startswith("/token"):
            return Answer(200, {}, b'{"access_token": "t"}') if asked.method == "POST" else Answer(400)
        if asked.headers.get("Authorization") == "Bearer t":
            return None
        return Answer(401, {"WWW-Authenticate": f'Bearer realm="http://{asked.headers["Host"]}/token"'})

    with front(registry.host, rule) as made:
        docker_config(tmp_path, auths={made.host: {"identitytoken": "refresh-me"}})
        from weft.core.errors import NotFoundError

        with pytest.raises(NotFoundError):
            run(pull(parse_oci(f"{made.host}/no/such:1"), store, FAST))
        assert len(made.of("POST", "/token")) == 1


def test_a_registry_elsewhere_has_nothing_fetched_from_this_machine() -> None:
    """It would get whatever stands there under the name of a token."""
    with front("", lambda asked: Answer(200, {}, b'{"token": "inner"}')) as inner:

        async def ask() -> None:
            async with Http(FAST) as http:
                challenge = f'Bearer realm="http://{inner.host}/token"'
                await Authorizer(http, "registry.example.org").answer(challenge, "repository:a:pull", "")

        with pytest.raises(DeniedError, match="this machine"):
            run(ask())
        assert not inner.asked


def test_a_server_that_blobs_are_moved_to_is_told_no_password(
    closed_registry: Served, store: Store, other: Store, module: Path, tmp_path: Path
) -> None:
    """It says that it wants one, sent to where it says: only the registry itself may."""
    with front("", lambda asked: Answer(200, {}, b'{"token": "t"}')) as thief:
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{thief.host}/token"'}
        with (
            front("", lambda asked: Answer(401, challenge)) as storage,
            front(closed_registry.host, lambda asked: moved(asked, storage.host)) as between,
        ):

            def moved(asked: Asked, host: str) -> Answer | None:
                there = asked.method == "GET" and "/blobs/sha256:" in asked.path and "Authorization" in asked.headers
                return Answer(307, {"Location": f"http://{host}/blob"}) if there else None

            docker_config(tmp_path, auths={between.host: {"auth": packed_login()}})
            reference = parse_oci(f"{between.host}/a/moved:1")
            run(push(pack_wasm(store, module), reference, store, FAST))
            with pytest.raises(DeniedError):
                run(pull(reference, other, FAST))
            assert storage.asked
        assert not thief.asked


def test_an_upload_that_is_sent_to_another_port_takes_no_password_along(
    closed_registry: Served, store: Store, module: Path, tmp_path: Path
) -> None:
    with (
        front("", lambda asked: Answer(201)) as elsewhere,
        front(closed_registry.host, lambda asked: moved(asked, elsewhere.host)) as between,
    ):

        def moved(asked: Asked, host: str) -> Answer | None:
            there = asked.method == "POST" and "Authorization" in asked.headers
            return Answer(202, {"Location": f"http://{host}/upload"}) if there else None

        docker_config(tmp_path, auths={between.host: {"auth": packed_login()}})
        with pytest.raises(OutputError):  # the registry itself has nothing of it
            run(push(pack_wasm(store, module), parse_oci(f"{between.host}/a/port:1"), store, FAST))
        assert elsewhere.of("PUT", "/upload")
        assert not any("Authorization" in asked.headers for asked in elsewhere.asked)


@pytest.mark.parametrize("realm", ["ftp://x/", "", "http://me:pw@x/"])
def test_a_registry_that_names_no_token_server_is_told(registry: Served, store: Store, realm: str) -> None:
    answer = Answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}"'})
    with front(registry.host, lambda asked: answer) as made, pytest.raises(InputError, match="tokens"):
        run(pull(parse_oci(f"{made.host}/a/b:1"), store, FAST))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s",scope="x,y"', Challenge("bearer", "https://a/t", "s", "x,y")),
        ('bearer service=s, realm="https://a/t"', Challenge("bearer", "https://a/t", "s")),
        ('Basic realm="r", Bearer realm="https://a/t"', Challenge("bearer", "https://a/t")),
        ('Basic realm="r"', Challenge("basic", "r")),
        ('Negotiate, Basic realm="a \\"b\\""', Challenge("basic", 'a "b"')),
        ("Digest x=y", None),
        ("", None),
    ],
)
def test_challenges_are_read(header: str, expected: Challenge | None) -> None:
    assert parse_challenge(header) == expected


def test_nothing_secret_is_shown_or_logged(
    closed_registry: Served, store: Store, module: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    docker_config(tmp_path, auths={closed_registry.host: {"auth": packed_login()}})
    run(push(pack_wasm(store, module), closed_registry.name("a/quiet:1"), store, FAST))
    shown = caplog.text + repr(find_credentials(closed_registry.host))
    assert "HTTP Request" in shown
    assert PASSWORD not in shown
    assert packed_login() not in shown


def test_queries_stay_out_of_the_log(registry: Served, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rule = lambda asked: Answer(302, {"Location": "/x?signature=abc"}) if "?" not in asked.path else Answer(404)  # noqa: E731
    with front(registry.host, rule) as made, pytest.raises(Exception, match="nothing of this name"):
        run(pull(parse_oci(f"{made.host}/a/b:1"), store, FAST))
    assert "/x?…" in caplog.text
    assert "abc" not in caplog.text


# --- where they come from --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"auths": {"r.example": {"auth": packed_login("u", "p")}}},
        {"auths": {"https://r.example": {"username": "u", "password": "p"}}},
        {"auths": {"https://r.example/v2/": {"auth": packed_login("u", "p")}}},
    ],
)
def test_dockers_entries_are_found(tmp_path: Path, content: dict[str, object]) -> None:
    docker_config(tmp_path, **content)
    assert find_credentials("r.example") == Credentials("u", "p")
    assert find_credentials("other.example") is None


def test_a_config_in_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker_config(tmp_path, auths={"r.example": {"auth": packed_login("file", "p")}})
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": {"r.example": {"auth": packed_login("env", "p")}}}))
    assert find_credentials("r.example") == Credentials("env", "p")


def test_our_own_variables_are_for_one_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_REGISTRY_USER", "u")
    monkeypatch.setenv("WEFT_REGISTRY_PASSWORD", "p")
    with pytest.raises(UsageError) as told:
        find_credentials("r.example")
    assert "WEFT_REGISTRY" in told.value.cure
    monkeypatch.setenv("WEFT_REGISTRY", "r.example")
    assert find_credentials("r.example") == Credentials("u", "p")
    assert find_credentials("evil.example") is None
    monkeypatch.delenv("WEFT_REGISTRY_PASSWORD")
    with pytest.raises(UsageError, match="WEFT_REGISTRY_PASSWORD"):
        find_credentials("r.example")


def helper(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize("config", [{"credHelpers": {"r.example": "ours"}}, {"credsStore": "ours"}])
def test_a_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, object]) -> None:
    script = 'read host; echo "{\\"ServerURL\\":\\"$host\\",\\"Username\\":\\"u-$host\\",\\"Secret\\":\\"p\\"}"'
    helper(tmp_path, "ours", script, monkeypatch)
    docker_config(tmp_path, **config)
    assert find_credentials("r.example") == Credentials("u-r.example", "p")


def test_a_helpers_token_is_an_identity_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path, "ours", 'echo \'{"Username":"<token>","Secret":"t"}\'', monkeypatch)
    docker_config(tmp_path, credsStore="ours")
    assert find_credentials("r.example") == Credentials(identity_token="t")


@pytest.mark.parametrize(
    ("name", "script", "kind"),
    [
        ("absent", None, UnavailableError),
        ("../evil", None, InputError),
        ("chatty", "echo s3cret no json", InputError),
        ("empty", "exit 1", None),
    ],
)
def test_a_helper_that_does_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str | None, kind: type[Exception] | None
) -> None:
    if script is not None:
        helper(tmp_path, name, script, monkeypatch)
    docker_config(tmp_path, credHelpers={"r.example": name})
    if kind is None:
        assert find_credentials("r.example") is None
        return
    with pytest.raises(kind) as told:
        find_credentials("r.example")
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize("text", ["{ s3cret", "[]", '{"auths": {"r.example": {"auth": "s3cret!"}}}'])
def test_a_config_that_is_none_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    docker_config(tmp_path)
    (tmp_path / "docker" / "config.json").write_text(text)
    with pytest.raises(InputError) as told:
        find_credentials("r.example")
    assert "s3cret" not in str(told.value)
