"""What a real web server answers as frames: only what is new, within bounds, and over all failures."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.media.making import encoded, scene
from tests.media.test_mqtt import certificate
from tests.media.web import WAIT_S, Answer, Web, body, cut, endless, garbage, silent, slow, status
from weft.core.clock import monotonic
from weft.core.errors import (
    DeniedError,
    IdentityError,
    NotFoundError,
    SizeError,
    UnavailableError,
    UsageError,
    WeftError,
)
from weft.core.frame import Frame
from weft.media.cameras.retry import Retry
from weft.media.sources.http import HttpSource
from weft.media.web.poll import LONGEST_PAUSE_S, _pause

MakeWeb = Callable[..., Web]
ONCE = Retry(attempts=0)
SOON = Retry(first=0.01, most=0.01)
QUICK = {"every": 0.01, "retry": SOON}
JPEG = encoded(scene(12, 8), "JPEG")


@pytest.fixture
def serve() -> Iterator[MakeWeb]:
    """Starts servers that give these answers; they are gone with the test."""
    with ExitStack() as stack:
        yield lambda *answers, **options: stack.enter_context(Web(*answers, **options))


def frames_of(url: str, limit: int, **options: Any) -> list[Frame]:
    return list(HttpSource(url, limit=limit, **{**QUICK, **options}).frames())


def error_of(url: str, **options: Any) -> WeftError:
    with pytest.raises(WeftError) as caught:
        next(HttpSource(url, retry=ONCE, **options).frames())
    return caught.value


# --- what answers become -------------------------------------------------------------------


def test_each_new_body_is_a_frame(serve: MakeWeb) -> None:
    web = serve(body(JPEG, "image/jpeg"), body(b"{}", "Application/JSON; charset=utf-8"), body(b"more"))
    one, two, three = frames_of(f"{web.url}/a?b=c", 3)
    assert (one.payload, one.media_type, one.sequence, dict(one.headers)) == (JPEG, "image/jpeg", 0, {})
    assert one.picture is not None
    assert (one.picture.width, one.picture.height) == (12, 8)
    assert (two.payload, two.media_type) == (b"{}", "application/json")
    assert (three.media_type, three.sequence) == ("text/plain", 2)
    assert one.time_ns < two.time_ns < three.time_ns
    assert [path for path, _ in web.requests] == ["/a?b=c"] * 3


def test_a_body_without_a_media_type_is_what_options_or_its_bytes_say(serve: MakeWeb) -> None:
    plain = [lambda handler: handler.say(200, JPEG), lambda handler: handler.say(200, b"5")]
    assert [frame.media_type for frame in frames_of(serve(*plain).url, 2)] == ["image/jpeg", "application/octet-stream"]
    told = frames_of(serve(*plain).url, 2, media_type="text/csv")
    assert [frame.media_type for frame in told] == ["text/csv", "text/csv"]


def test_what_is_as_before_gives_no_frame(serve: MakeWeb) -> None:
    web = serve(body(b"1"), body(b"1"), body(b"1"), body(b"2"))
    source = HttpSource(web.url, limit=2, **QUICK)
    assert [frame.payload for frame in source.frames()] == [b"1", b"2"]
    assert (source.counters.polls, source.counters.unchanged, source.counters.failures) == (4, 2, 0)


def test_unless_every_answer_is_wanted(serve: MakeWeb) -> None:
    web = serve(body(b"1", etag='"1"'))
    assert [frame.payload for frame in frames_of(web.url, 3, unchanged=True)] == [b"1"] * 3
    assert all("if-none-match" not in headers for _, headers in web.requests)


def test_a_server_is_asked_whether_there_is_something_new(serve: MakeWeb) -> None:
    date = formatdate(usegmt=True)
    web = serve(body(b"1", etag='"one"', last_modified=date), status(304), status(204), body(b"2", etag='"two"'))
    source = HttpSource(web.url, limit=2, **QUICK)
    one, two = source.frames()
    assert dict(one.headers) == {"etag": '"one"', "last-modified": date}
    assert dict(two.headers) == {"etag": '"two"'}
    asked = [(headers.get("if-none-match"), headers.get("if-modified-since")) for _, headers in web.requests]
    assert asked == [(None, None), *[('"one"', date)] * 3]
    assert source.counters.unchanged == 2


def test_it_asks_at_its_pace_and_over_one_connection(serve: MakeWeb) -> None:
    ports: list[int] = []

    def answer(handler: Any) -> None:
        ports.append(handler.client_address[1])
        handler.say(200, str(len(ports)).encode())

    began = monotonic()
    frames_of(serve(answer).url, 4, every=0.1)
    assert monotonic() - began >= 0.3
    assert len(set(ports)) == 1


def test_headers_and_who_asks_are_sent(serve: MakeWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("TOKEN", "t0ken")
    ways: list[tuple[dict[str, Any], str | None]] = [
        ({}, None),
        ({"user": "me"}, "Basic bWU6"),
        ({"user": "me", "password_file": tmp_path / "secret"}, "Basic bWU6czNjcmV0"),
        ({"token_env": "TOKEN"}, "Bearer t0ken"),
        ({"token_file": tmp_path / "secret"}, "Bearer s3cret"),
    ]
    for options, expected in ways:
        web = serve(body(b"1"))
        frames_of(web.url, 1, headers={"X-Key": "k3y"}, **options)
        headers = web.requests[0][1]
        assert (headers.get("authorization"), headers["x-key"], headers["user-agent"]) == (expected, "k3y", "weft")


def test_secrets_are_shown_nowhere(serve: MakeWeb, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "secret").write_text("s3cret")
    web = serve(body(b"1"), status(500), body(b"2"))
    options = {"user": "me", "password_file": tmp_path / "secret", "headers": {"X-Key": "k3y"}}
    source = HttpSource(f"{web.url}/a?token=t0ken", limit=2, **QUICK, **options)
    assert len(list(source.frames())) == 2
    shown = [record.getMessage() for record in caplog.records if record.name.startswith(("weft", "httpx"))]
    text = " ".join([*shown, source.url, repr(source), repr(vars(source)), source.trouble])
    assert not [secret for secret in ("s3cret", "k3y", "t0ken", "bWU6") if secret in text.replace(repr(web.url), "")]


# --- redirects -----------------------------------------------------------------------------


def test_a_redirect_is_followed_but_not_with_what_says_who_asks(serve: MakeWeb, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    there = serve(body(b"here"))
    web = serve(status(302, location="/near"), status(307, location=f"{there.url}/far"))
    (frame,) = frames_of(web.url, 1, token_file=tmp_path / "secret", headers={"X-Key": "k3y"})
    assert frame.payload == b"here"
    assert [headers.get("x-key") for _, headers in (*web.requests, *there.requests)] == ["k3y", "k3y", None]
    assert [path for path, _ in web.requests] == ["/", "/near"]
    assert "authorization" in web.requests[1][1]
    assert "authorization" not in there.requests[0][1]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/again", "without end"),
        ("ftp://elsewhere/x", "no address"),
        ("http://me:secret@elsewhere/x", "no address"),
        ("https://", "no address"),
    ],
)
def test_redirects_to_nowhere_are_told(serve: MakeWeb, location: str, told: str) -> None:
    web = serve(status(302, location=location))
    error = error_of(web.url)
    assert isinstance(error, UnavailableError)
    assert told in error.what
    assert len(web.requests) <= 6


# --- what servers do wrong -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (status(500), UnavailableError, "the server answered 500"),
        (status(404), NotFoundError, "404 Not Found"),
        (status(401), IdentityError, "rejects who asks: 401"),
        (status(403), DeniedError, "403"),
        (cut(b"some", 1000), UnavailableError, "the connection was cut"),
        (endless, SizeError, "over 1.0 MiB"),
        (body(b"x" * (2**20 + 1)), SizeError, "over 1.0 MiB"),
        (slow, UnavailableError, "no whole answer came within"),
        (silent, UnavailableError, "no whole answer came within"),
        (garbage, UnavailableError, "the connection was cut"),
        (body(gzip.compress(b"0"), content_encoding="gzip"), UnavailableError, "packed body"),
        (body(b"", "multipart/x-mixed-replace; boundary=x"), UsageError, "pictures without end"),
    ],
)
def test_a_wrong_answer_is_an_error_with_a_cure(
    serve: MakeWeb, answer: Answer, kind: type[WeftError], told: str
) -> None:
    web = serve(answer)
    patience = 0.3 if answer in (slow, silent) else 30.0
    error = error_of(f"{web.url}/x?token=t0ken", timeout=patience, max_size=2**20)
    assert isinstance(error, kind)
    assert told in error.what
    assert error.where == f"{web.url}/x?…"
    assert error.cure


def test_a_body_is_no_longer_than_it_is_said_to_be(serve: MakeWeb) -> None:
    def answer(handler: Any) -> None:
        handler.begin(200, content_length="4")
        handler.wfile.write(b"some and more")
        handler.close_connection = True

    assert frames_of(serve(answer).url, 1)[0].payload == b"some"


def test_failures_are_tried_again_and_told_once(serve: MakeWeb, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "weft")
    web = serve(status(503), status(404), cut(b"so", 100), body(b"1"), status(401), status(500), body(b"2"))
    source = HttpSource(web.url, limit=2, **QUICK)
    one, two = source.frames()
    assert (dict(one.headers), dict(two.headers)) == ({}, {"reconnects": "1"})
    assert (source.counters.failures, source.counters.reconnects, source.counters.polls) == (5, 1, 7)
    told = [record.levelname for record in caplog.records if record.name == "weft.media.http"]
    assert told == ["WARNING", "INFO", "WARNING", "INFO"]


def test_what_can_only_be_wrong_is_not_tried_for_ever(serve: MakeWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    for answer in (status(401), body(b"", "multipart/x-mixed-replace")):
        with pytest.raises(WeftError):
            next(HttpSource(serve(answer).url).frames())
    with pytest.raises(NotFoundError, match="not set"):
        next(HttpSource(serve(body(b"1")).url, token_env="TOKEN").frames())


def test_a_server_is_left_alone_for_as_long_as_it_asks(serve: MakeWeb) -> None:
    web = serve(status(503, retry_after="3000"), body(b"1"))
    source = HttpSource(web.url, **QUICK)
    thread = threading.Thread(target=lambda: list(source.frames()))
    thread.start()
    while source.state != "backing off":
        assert thread.is_alive()
    assert "503" in source.trouble
    deadline = source._watch.deadline
    assert deadline is not None
    assert deadline - monotonic() > 2000
    source.close()
    thread.join(60)
    assert len(web.requests) == 1
    assert source.state == "ended"


@pytest.mark.parametrize(("told", "least", "most"), [("7", 7, 7), ("", 0, 0), ("soon", 0, 0), ("-5", 0, 0)])
def test_what_a_server_asks_for_is_understood(told: str, least: float, most: float) -> None:
    assert least <= _pause(told) <= most
    assert _pause(formatdate(4_000_000_000, usegmt=True)) > 3000
    assert _pause(formatdate(0, usegmt=True)) == 0
    assert min(LONGEST_PAUSE_S, _pause("9" * 400)) == LONGEST_PAUSE_S


def test_nobody_there_is_unavailable(serve: MakeWeb) -> None:
    assert isinstance(error_of("http://nobody.invalid/a"), UnavailableError)
    error = error_of("http://127.0.0.1:1/a")
    assert isinstance(error, UnavailableError)
    assert error.what == "no connection: Connection refused"


@pytest.mark.parametrize("answer", [silent, slow, body(b"same")])
def test_closing_ends_it_at_once_whatever_it_does(serve: MakeWeb, answer: Answer) -> None:
    web = serve(answer)
    source = HttpSource(web.url, every=3600, timeout=3600)
    thread = threading.Thread(target=lambda: list(source.frames()))
    thread.start()
    web.wait_for(1)
    source.close()
    thread.join(60)
    assert not thread.is_alive()
    assert source.state == "ended"


def test_over_tls_the_server_must_be_who_it_says(serve: MakeWeb, tmp_path: Path) -> None:
    certificate(tmp_path, "server", certificate(tmp_path, "ca"))
    certificate(tmp_path, "other")
    web = serve(body(b"1"), certificate=tmp_path / "server.pem")
    assert frames_of(web.url, 1, ca=tmp_path / "ca.crt")[0].payload == b"1"
    for wrong in ({}, {"ca": tmp_path / "other.crt"}):
        with pytest.raises(IdentityError, match="the server is not trusted"):
            next(HttpSource(web.url, **wrong).frames())
    down = serve(status(302, location="http://127.0.0.1:1/"), certificate=tmp_path / "server.pem")
    assert "plain http" in error_of(down.url, ca=tmp_path / "ca.crt").what


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://me:secret@host/a", {}),
        ("ftp://host/a", {}),
        ("http://host/a", {"every": 0}),
        ("http://host/a", {"timeout": -1}),
        ("http://host/a", {"limit": 0}),
        ("http://host/a", {"user": "me", "token_env": "T"}),
        ("http://host/a", {"token_file": "t", "token_env": "T"}),
        ("http://host/a", {"password_env": "P"}),
    ],
)
def test_wrong_options_are_refused(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        HttpSource(url, **options)
    assert caught.value.cure
    assert "me:secret" not in str(caught.value)
    assert HttpSource("http://host/a?token=t0ken").url == "http://host/a?…"


# --- what servers and callers may not do -----------------------------------------------------


def test_what_a_server_gives_to_be_kept_is_forgotten_with_each_question(serve: MakeWeb) -> None:
    def answer(handler: Any) -> None:
        handler.say(200, str(len(web.requests)).encode(), set_cookie=f"c{len(web.requests)}=1")

    web = serve(answer)
    assert len(frames_of(web.url, 3)) == 3
    assert not any("cookie" in headers for _, headers in web.requests)


@pytest.mark.parametrize(
    ("name", "value"), [("X-Key", "s3cret\r\nHost: b"), ("X-Key", "s3crét"), ("X Key", "s3cret"), ("Host", "s3cret")]
)
def test_a_header_that_is_none_is_refused_without_its_value(name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        HttpSource("http://127.0.0.1/a", headers={name: value})
    assert "s3cr" not in str(caught.value)


def test_a_token_that_is_none_is_told(serve: MakeWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "s3crét")
    web = serve(body(b"1"))
    error = error_of(web.url, token_env="THE_TOKEN")
    assert (type(error), "token" in error.what) == (UsageError, True)
    assert "s3cr" not in str(error)
    assert web.requests == []


def test_it_ends_at_once_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()
    inner = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        if host == b"camera.example":
            begun.set()
            go.wait(WAIT_S)
        return inner(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    source = HttpSource("http://camera.example/a", retry=SOON)
    thread = threading.Thread(target=lambda: list(source.frames()), daemon=True)
    thread.start()
    assert begun.wait(WAIT_S)
    source.close()
    thread.join(WAIT_S / 2)
    ended = not thread.is_alive()
    go.set()
    assert ended
    thread.join(WAIT_S)
