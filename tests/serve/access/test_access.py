"""A server with an access document: who gets in, and what is told to those who do not."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serve.access.issuer import AUDIENCE, ISSUER, Signer
from tests.serve.access.letting import let_in
from tests.serve.conftest import Serve
from weft.cli.main import main, make_app
from weft.cli.serve_options import Listening
from weft.core.errors import DeniedError, DocumentError, NotFoundError, RateLimitError, UsageError
from weft.serve.access.documented import DocumentAccess
from weft.serve.access.granted import Granted, is_for, rate_of
from weft.serve.access.keys import Keys, new_key
from weft.serve.access.local import LocalAccess, choose_access, is_local
from weft.serve.access.rates import Bucket
from weft.serve.access_log import write_line
from weft.serve.caller import OPEN_PATHS, OpenAccess
from weft.serve.oip.rest import OpenInference
from weft.serve.pages.face import Pages
from weft.serve.server import Server
from weft.spec.rights import Right, parse_rights

ASKED = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
SIGNER = Signer("ES256", "k")


def with_keys(**rights: str) -> tuple[DocumentAccess, dict[str, str]]:
    """A document with a key for each name, and its rights as they stand in YAML; and the keys."""
    made = {name: new_key(name) for name in rights}
    lines = "\n".join(f"  {line}" for _, line in made.values())
    entries = "\n".join(f"  - {{caller: {name}, {text}}}" for name, text in rights.items())
    return DocumentAccess(parse_rights(f"keys:\n{lines}\nrights:\n{entries}\n")), {
        n: key for n, (key, _) in made.items()
    }


@pytest.fixture
def guarded(serve: Serve, tiny: Callable[..., Path]) -> tuple[Server, dict[str, str]]:
    access, keys = with_keys(
        user="infer: [model/a*], read: [model/a*]",
        boss='infer: ["*"], read: ["*"], manage: ["*"]',
        watch="read: [metrics]",
        hasty="infer: [model/a], rate: 0.001, burst: 2",
    )
    faces = [OpenInference()]
    return serve({"a": tiny(), "b": tiny("f64")}, access=access, faces=[Pages(faces), *faces]), keys


def ask(server: Server, key: str, path: str, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.request("POST" if "json" in more else "GET", f"{server.url}{path}", headers=headers, **more)


def test_rights_are_by_model(guarded: tuple[Server, dict[str, str]]) -> None:
    server, keys = guarded
    assert ask(server, keys["user"], "/v2/models/a/infer", json=ASKED).json()["outputs"][0]["data"] == [1, 2, 3, 4]
    refused = ask(server, keys["user"], "/v2/models/b/infer", json=ASKED)
    assert refused.status_code == 403
    assert "'user' may not infer model 'b'" in refused.json()["error"]
    assert "infer: [model/b]" in refused.json()["error"]
    assert ask(server, keys["user"], "/v2/repository/models/a/load", json={}).status_code == 403
    assert ask(server, keys["boss"], "/v2/repository/models/a/load", json={}).status_code == 200
    index = ask(server, keys["user"], "/v2/repository/index", json={}).json()
    assert [one["name"] for one in index] == ["a"]


def test_what_is_not_there_and_what_is_not_allowed_look_alike(guarded: tuple[Server, dict[str, str]]) -> None:
    server, keys = guarded
    there, none = (ask(server, keys["user"], f"/v2/models/{name}") for name in ("b", "c"))
    assert (there.status_code, there.json()["error"].replace("b", "c")) == (
        none.status_code,
        none.json()["error"].replace("b", "c"),
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer weft_wrong"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer"},
        {"x-api-key": ""},
        {"x-api-key": "weft_wrong", "authorization": "Bearer weft_wrong"},
        {"authorization": "Bearer a.b.c"},
    ],
)
def test_who_is_not_known_is_refused(guarded: tuple[Server, dict[str, str]], headers: dict[str, str]) -> None:
    server, _ = guarded
    for path in ("/v2", "/v2/models/a", "/metrics", "/nothing"):
        answer = httpx.get(f"{server.url}{path}", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="weft"')
        assert "wrong" not in answer.text


def test_pages_that_tell_nothing_are_open(guarded: tuple[Server, dict[str, str]]) -> None:
    server, _ = guarded
    for path in OPEN_PATHS:
        if "." not in path or path.endswith(".json"):
            answer = httpx.get(f"{server.url}{path}")
            assert answer.status_code == 200
            assert '"b"' not in answer.text


def test_a_key_goes_in_either_header(guarded: tuple[Server, dict[str, str]]) -> None:
    server, keys = guarded
    assert httpx.get(f"{server.url}/v2/models/a", headers={"x-api-key": keys["user"]}).status_code == 200
    assert httpx.get(f"{server.url}/v2/models/a?key={keys['user']}").status_code == 401


def test_metrics_have_a_right_of_their_own(guarded: tuple[Server, dict[str, str]]) -> None:
    server, keys = guarded
    assert ask(server, keys["watch"], "/metrics").status_code == 200
    assert "read: [metrics]" in ask(server, keys["user"], "/metrics").json()["error"]


def test_who_asks_too_often_is_told_when_to_come_back(guarded: tuple[Server, dict[str, str]]) -> None:
    server, keys = guarded
    callers: list[tuple[str, int]] = []
    server.services.observers.append(lambda call: callers.append((call.caller.name, call.status)))
    codes = [ask(server, keys["hasty"], "/v2/models/a/infer", json=ASKED).status_code for _ in range(2)]
    late = ask(server, keys["hasty"], "/v2/models/a/infer", json=ASKED)
    assert (codes, late.status_code) == ([200, 200], 429)
    assert 1 <= int(late.headers["retry-after"]) <= 1000
    assert ask(server, keys["user"], "/v2/models/a/infer", json=ASKED).status_code == 200
    told = ask(server, keys["watch"], "/metrics").text
    assert 'weft_serve_refused_total{reason="limited"} 1' in told
    server.close()
    assert callers[2] == ("hasty", 429)  # the access log names who floods


def test_a_model_is_not_called_by_who_may_only_see_open_pages(serve: Serve, tiny: Callable[..., Path]) -> None:
    from weft.serve.wasmcloud.face import WasmCloud

    access, _ = with_keys(user="read: [server]")
    faces = [OpenInference(), WasmCloud()]
    server = serve({"docs": tiny()}, access=access, faces=[Pages(faces), *faces])
    assert httpx.post(f"{server.url}/docs", json={}).status_code == 403
    assert "<title>" in httpx.get(f"{server.url}/docs").text


def test_no_secret_gets_into_the_log(
    serve: Serve, tiny: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [SIGNER.public]}))
    key, line = new_key("line-3")
    (tmp_path / "access.yaml").write_text(
        f"keys:\n  {line}\ntokens:\n  - {{name: plant, issuer: {ISSUER}, audience: {AUDIENCE}, algorithms: [ES256], "
        "jwks: jwks.json}\nrights: [{caller: line-3, read: ['*']}, {caller: plant/*, read: ['*']}]\n"
    )
    server = serve({"a": tiny()}, access=DocumentAccess.load(tmp_path / "access.yaml"))
    server.services.observers.append(write_line)
    told: list[int] = []
    server.services.observers.append(lambda call: told.append(call.status))
    token, wrong = SIGNER.token(sub="cam-1"), SIGNER.token(aud="x")
    with caplog.at_level(logging.DEBUG), httpx.Client() as client:
        for secret in (key, token, wrong, key + "x"):
            client.get(f"{server.url}/v2/models/a?key={secret}", headers={"authorization": f"Bearer {secret}"})
    server.close()
    assert told == [200, 200, 401, 401]
    lines = [record.getMessage() for record in caplog.records if record.name == "weft.serve.access"]
    assert re.fullmatch(r"127\.0\.0\.1 line-3 GET /v2/models/a 200 \d+\.\d ms 0 B \d+ B", lines[0])
    assert lines[1].startswith("127.0.0.1 plant/cam-1 GET /v2/models/a 200 ")
    assert len(lines) == 4
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("weft"))
    assert not any(part in ours for secret in (key, token, wrong) for part in (secret, secret.rpartition(".")[2]))


# --- the parts -----------------------------------------------------------------------------


def test_patterns_and_names() -> None:
    granted = Granted(
        [Right(caller="x", infer=("model/a*", "function/b"), read=("server",)), Right(caller="x", manage=("*",))]
    )
    assert granted.allows("infer", "model", "abc")
    assert not granted.allows("infer", "model", "ba")
    assert not granted.allows("infer", "function", "a")
    assert not granted.allows("infer", "model", "a" * 1000)
    assert granted.allows("read", "server", "")
    assert not granted.allows("read", "metrics", "")
    assert granted.allows("manage", "model", "x")
    assert not Granted(()).allows("read", "server", "")
    dots = Granted([Right(caller="x", infer=("model/a.b",))])
    assert not dots.allows("infer", "model", "aXb")


def test_a_subject_cannot_pose_as_a_key() -> None:
    assert is_for("line-*", "line-3")
    assert not is_for("*", "plant/line-3")
    assert is_for("plant/*", "plant/a/b")
    assert not is_for("pl*t", "plant/a")
    assert is_for("*/root", "plant/root")


def test_the_least_rate_holds() -> None:
    entries = [Right(caller="x", read=("*",), rate=rate) for rate in (5.0, 0.5)]
    assert rate_of(entries) == (0.5, 1)
    assert rate_of(entries[:1]) == (5.0, 5)
    assert rate_of([]) is None


def test_a_bucket_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("weft.serve.access.rates.monotonic", lambda: now[0])
    bucket = Bucket(2.0, 2)
    bucket.looked = 0.0
    bucket.take("x")
    bucket.take("x")
    with pytest.raises(RateLimitError) as raised:
        bucket.take("x")
    assert raised.value.retry_after_s == 0.5
    now[0] = 0.5
    bucket.take("x")
    now[0] = 1000
    bucket.take("x")
    bucket.take("x")
    with pytest.raises(RateLimitError):
        bucket.take("x")


def test_the_table_of_callers_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.serve.access.documented._MOST_CALLERS", 2)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [SIGNER.public]}))
    tokens = f"[{{name: p, issuer: {ISSUER}, audience: {AUDIENCE}, algorithms: [ES256], jwks: jwks.json}}]"
    spec = parse_rights(f"tokens: {tokens}\nrights: [{{caller: p/*, read: ['*']}}]", folder=tmp_path)
    access = DocumentAccess(spec)
    for number in range(5):
        asyncio.run(let_in(access, {"authorization": f"Bearer {SIGNER.token(sub=str(number))}"}, ""))
    assert access.callers == 2


def test_keys_are_random_and_found_by_their_hash() -> None:
    (one, line), (other, _) = new_key("a"), new_key("a")
    spec = parse_rights(f"keys:\n  {line}\nrights: [{{caller: a, read: ['*']}}]")
    keys = Keys(spec.keys)
    assert one != other
    assert len(one) == 48
    assert one not in line
    assert (keys.name_of(one), keys.name_of(other), keys.name_of("")) == ("a", None, None)
    with pytest.raises(UsageError, match="no caller's name"):
        new_key("a b")


# --- without a document --------------------------------------------------------------------


def admit(access: LocalAccess, **headers: str) -> str:
    return asyncio.run(let_in(access, headers, "127.0.0.1")).name


@pytest.mark.parametrize("host", ["localhost:8078", "127.0.0.1", "[::1]:80", "127.8.0.1:1", "LOCALHOST"])
def test_this_machine_may_ask(host: str) -> None:
    assert admit(LocalAccess(), host=host) == "anyone"
    assert admit(LocalAccess(), host=host, origin=f"http://{host}") == "anyone"


@pytest.mark.parametrize(
    "host", ["evil.example:8078", "10.0.0.1", "localhost.evil.example", "", "[::", "127.0.0.1.nip.io"]
)
def test_a_name_that_leads_here_is_refused(host: str) -> None:
    with pytest.raises(DeniedError, match="for this machine only"):
        admit(LocalAccess(), host=host)


def test_a_page_of_another_origin_is_refused() -> None:
    for origin in ("https://evil.example", "null"):
        with pytest.raises(DeniedError, match="another origin"):
            admit(LocalAccess(), host="localhost", origin=origin)
    assert admit(LocalAccess(("https://page.example",)), host="localhost", origin="https://page.example") == "anyone"


def test_others_are_let_in_only_when_somebody_says_so(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.7", "example.org", ""):
        with pytest.raises(UsageError) as raised:
            choose_access(None, host, is_open=False, origins=())
        assert "--access" in raised.value.cure
        assert "--open" in raised.value.cure
    assert isinstance(choose_access(None, "0.0.0.0", is_open=True, origins=()), OpenAccess)
    assert isinstance(choose_access(None, "::1", is_open=False, origins=()), LocalAccess)
    with pytest.raises(UsageError, match="exclude"):
        choose_access(tmp_path / "a", "::1", is_open=True, origins=())
    with pytest.raises(NotFoundError):
        choose_access(tmp_path / "a", "0.0.0.0", is_open=False, origins=())
    assert is_local("[::1]")


# --- the command line ----------------------------------------------------------------------


def test_a_key_is_printed_once_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["key", "caller", "line-3"]) == 0
    out, err = capsys.readouterr()
    (tmp_path / "access.yaml").write_text(
        err.replace("below keys:", "keys:") + "rights: [{caller: line-3, read: ['*']}]"
    )
    access = DocumentAccess.load(tmp_path / "access.yaml")
    assert asyncio.run(let_in(access, {"x-api-key": out.strip()}, "")).name == "line-3"
    assert main(["validate", str(tmp_path / "access.yaml")]) == 0
    assert "right; 1 keys, 0 tokens, 1 rights" in capsys.readouterr().out
    assert main(["key", "caller", "line-3", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"name", "key", "line"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--host", "0.0.0.0"], 64, "--open"),
        (["--access", "none.yaml"], 66, "none.yaml"),
        (["--tls-cert", "cert.pem"], 64, "belong together"),
        (["--tls-cert", "cert.pem", "--tls-key", "key.pem"], 65, "cert.pem"),
        (["--cors-origin", "page.example"], 64, "no origin"),
    ],
)
def test_what_cannot_be_meant(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", *words]) == code
    assert said in capsys.readouterr().err


def test_mistakes_in_the_document_end_the_command(tmp_path: Path) -> None:
    (tmp_path / "access.yaml").write_text("rights: [{caller: a, read: ['*']}]\nkeyz: []\n")
    with pytest.raises(DocumentError) as raised:
        Listening(access=tmp_path / "access.yaml").callers()
    assert len(raised.value.problems) == 2


def test_the_commands_of_the_page_are_commands() -> None:
    page = (Path(__file__).parents[3] / "docs" / "serve-access.md").read_text()
    lines = re.findall(r"^(weft (serve|key) .*)$", page, re.MULTILINE)
    assert [word for _, word in lines] == ["serve", "key"]
    for line, word in lines:
        make_app(word).parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
