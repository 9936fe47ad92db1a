"""Files of Hugging Face and at URLs, from a server that answers as the hub does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.artifacts.conftest import FAST
from tests.artifacts.front import Answer, Asked, Front, front
from weft.artifacts.digest import digest_of
from weft.artifacts.local import run
from weft.artifacts.pull import Pulled, file_of, pull
from weft.artifacts.reference import parse_reference
from weft.artifacts.store import Store
from weft.core.errors import DeniedError, InputError, NotFoundError, UnavailableError

COMMIT, NEXT = "c" * 40, "d" * 40
LARGE, SMALL = b"large file " * 100_000, b'{"labels": 2}'
GIT = hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL).hexdigest()


class Hub:
    """What the hub has now: the commit of main, and whether it is as it should be."""

    def __init__(self) -> None:
        self.commit = COMMIT
        self.large = LARGE
        self.headers: Mapping[str, str] = {}

    def __call__(self, asked: Asked) -> Answer | None:
        path = asked.path.split("?")[0]
        if path == "/cdn/large":
            return Answer(200, {}, self.large)
        if path.startswith("/org/gated/") and asked.headers.get("Authorization") != "Bearer hf_secret":
            return Answer(401, {"X-Error-Message": "Access to this repo is restricted"})
        if path == f"/api/resolve-cache/models/org/repo/{self.commit}/moved.json":
            return Answer(200, {"X-Repo-Commit": self.commit, "ETag": f'"{GIT}"'}, SMALL)
        if path.startswith("/old/name/"):
            return Answer(307, {"Location": path.replace("/old/name/", "/org/repo/")})
        revision, _, name = path.partition("/resolve/")[2].partition("/")
        if revision not in ("main", COMMIT, NEXT):
            return Answer(404)
        commit = self.commit if revision == "main" else revision
        if name == "net.onnx":
            linked = {"X-Linked-Etag": f'"{digest_of(LARGE)[7:]}"', "X-Linked-Size": str(len(LARGE))}
            place = f"http://{asked.headers['Host']}/cdn/large?Signature=abc"
            return Answer(302, {"X-Repo-Commit": commit, "Location": place, **linked, **self.headers})
        if (
            name == "moved.json"
        ):  # as the hub answers for what is not large; the length is of the redirection's own text
            cached = f"/api/resolve-cache/models/org/repo/{commit}/moved.json?etag=%22{GIT}%22"
            return Answer(307, {"Location": cached, "X-Repo-Commit": commit, **self.headers}, b"Temporary Redirect")
        if name == "config.json":
            return Answer(200, {"X-Repo-Commit": commit, "ETag": f'"{GIT}"', **self.headers}, SMALL)
        return Answer(404)


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def served(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    with front("127.0.0.1:1", hub) as made:
        monkeypatch.setenv("HF_ENDPOINT", f"http://{made.host}")
        yield made


def bring(text: str, store: Store) -> Pulled:
    return run(pull(parse_reference(text), store, FAST))


def test_a_large_file_is_what_the_hub_says(served: Front, store: Store) -> None:
    found = bring("hf:org/repo/net.onnx", store)
    assert file_of(found, store).name == "net.onnx"
    assert file_of(found, store).read_bytes() == LARGE
    assert found.entry.notes == {"commit": COMMIT}
    assert [asked.path for asked in served.of("GET", "resolve")] == [f"/org/repo/resolve/{COMMIT}/net.onnx"]


def test_a_small_file_is_checked_by_gits_digest(served: Front, hub: Hub, store: Store) -> None:
    assert file_of(bring("hf:org/repo/config.json", store), store).read_bytes() == SMALL
    hub.headers = {"ETag": f'"{"e" * 40}"'}
    with pytest.raises(InputError, match="its digest is"):
        bring("hf:org/repo/config.json", store)


@pytest.mark.parametrize("more", [{}, {"X-Linked-Etag": f'"{GIT}"', "X-Linked-Size": str(len(SMALL))}])
def test_a_small_file_behind_a_redirection_of_the_hub(
    served: Front, hub: Hub, store: Store, more: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.headers = more
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = bring("hf:org/repo/moved.json", store)
    assert file_of(found, store).read_bytes() == SMALL
    assert found.entry.notes == {"commit": COMMIT}
    assert all(asked.headers["Authorization"] == "Bearer hf_secret" for asked in served.of("GET"))


def test_a_branch_is_kept_at_its_commit_until_it_is_pulled_again(served: Front, hub: Hub, store: Store) -> None:
    bring("hf:org/repo/net.onnx", store)
    hub.commit, asked = NEXT, len(served.asked)
    reference = parse_reference("hf:org/repo/net.onnx")
    again = run(pull(reference, store, FAST, refresh=False))
    assert (again.entry.notes["commit"], len(served.asked)) == (COMMIT, asked)
    assert bring("hf:org/repo/net.onnx", store).entry.notes["commit"] == NEXT
    assert len(served.of("GET", "resolve")) == 1


def test_a_commit_is_not_asked_for_twice(served: Front, store: Store) -> None:
    for _ in range(2):
        bring(f"hf:org/repo/net.onnx@{COMMIT}", store)
    assert len(served.of("HEAD")) == 1


def test_a_renamed_repository_is_followed(served: Front, store: Store) -> None:
    assert file_of(bring("hf:old/name/net.onnx", store), store).read_bytes() == LARGE


def test_the_token_goes_to_the_hub_alone(served: Front, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeniedError, match="restricted") as told:
        bring("hf:org/gated/net.onnx", store)
    assert "HF_TOKEN" in told.value.cure
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with front("127.0.0.1:1", lambda asked: Answer(200, {}, LARGE)) as storage:
        served.rule.headers = {"Location": f"http://{storage.host}/signed"}  # type: ignore[attr-defined]
        assert file_of(bring("hf:org/gated/net.onnx", store), store).read_bytes() == LARGE
        assert "Authorization" not in storage.asked[0].headers


def test_a_tampered_file_is_refused(served: Front, hub: Hub, store: Store) -> None:
    hub.large = b"x" + LARGE[1:]
    with pytest.raises(InputError, match="its digest is"):
        bring("hf:org/repo/net.onnx", store)
    assert not list(store.references.iterdir())


@pytest.mark.parametrize("headers", [{"X-Linked-Etag": "weird"}, {"X-Repo-Commit": "<b>"}, {"X-Linked-Size": "many"}])
def test_a_hub_that_does_not_say_what_it_is_is_not_believed(
    served: Front, hub: Hub, store: Store, headers: dict[str, str]
) -> None:
    hub.headers = headers
    with pytest.raises(InputError, match="does not say"):
        bring("hf:org/repo/net.onnx", store)


@pytest.mark.parametrize("name", ["hf:org/repo/no.onnx", "hf:org/repo/net.onnx@nosuch"])
def test_what_the_hub_does_not_have_is_told(served: Front, store: Store, name: str) -> None:
    with pytest.raises(NotFoundError):
        bring(name, store)


# --- URLs ------------------------------------------------------------------------------------


def url(host: str, data: bytes = LARGE, path: str = "models/net.onnx") -> str:
    return f"http://{host}/{path}#sha256={digest_of(data)[7:]}"


def test_a_file_at_a_url_is_what_its_digest_says(store: Store) -> None:
    with front("127.0.0.1:1", lambda asked: Answer(200, {}, LARGE)) as made:
        for _ in range(2):
            found = bring(url(made.host), store)
            assert file_of(found, store).name == "net.onnx"
            assert file_of(found, store).read_bytes() == LARGE
        assert [asked.method for asked in made.asked] == ["HEAD", "GET"]
        with pytest.raises(InputError, match="its digest is"):
            bring(url(made.host, b"other"), store)


def test_a_url_is_resumed(store: Store) -> None:
    def rule(asked: Asked) -> Answer | None:
        start = int(asked.headers["Range"][6:-1]) if "Range" in asked.headers else 0
        if start:
            return Answer(206, {"Content-Range": f"bytes {start}-{len(LARGE) - 1}/{len(LARGE)}"}, LARGE[start:])
        return Answer(200, {}, LARGE, cut=None if asked.method == "HEAD" else 500_000)

    with front("127.0.0.1:1", rule) as made:
        assert file_of(bring(url(made.host), store), store).read_bytes() == LARGE
        assert sum("Range" in asked.headers for asked in made.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(404), NotFoundError),
        (Answer(403), DeniedError),
        (Answer(418), UnavailableError),
        (Answer(200, {"Content-Length": ""}, b"x", cut=1), InputError),
    ],
)
def test_a_url_that_does_not_give_the_file_is_told(store: Store, answer: Answer, kind: type[Exception]) -> None:
    with front("127.0.0.1:1", lambda asked: answer) as made, pytest.raises(kind):
        bring(url(made.host), store)


def test_a_redirect_from_https_to_http_is_not_followed(tmp_path: Path) -> None:
    from weft.artifacts.http import same_origin

    assert same_origin("https://a.example/x", "https://a.example:443/y")
    assert not same_origin("https://a.example/x", "http://a.example/x")
    assert not same_origin("https://a.example/x", "https://b.example/x")
