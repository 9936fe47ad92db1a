"""The server, asked by real HTTP and WebSocket clients: what it sends, to whom, and how much of it waits."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.dashboard.conftest import BLUE, Shown, jpeg
from weft.core.clock import monotonic
from weft.core.errors import UnavailableError, UsageError
from weft.core.frame import Frame
from weft.dashboard.server import PageServer
from weft.dashboard.view import MAX_VIEWERS
from weft.dashboard.viewer import WINDOW
from weft.media.images import open_picture

Show = Callable[..., Shown]

WAIT_S = 20


@dataclass(slots=True)
class Page:
    """A page as the server sees it."""

    socket: ClientConnection

    def next(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; a picture's header has its bytes as "body"."""
        deadline = monotonic() + WAIT_S
        while True:
            one = self.socket.recv(timeout=deadline - monotonic())
            if isinstance(one, str):
                message: dict[str, Any] = json.loads(one)
            else:
                size = int.from_bytes(one[:4], "big")
                message = {**json.loads(one[4 : 4 + size]), "type": "picture", "body": one[4 + size :]}
            if message["type"] == kind:
                return message

    def say(self, kind: str, **more: object) -> None:
        self.socket.send(json.dumps({"type": kind, **more}))

    def drawn(self, picture: dict[str, Any]) -> None:
        self.say("drawn", stream=picture["stream"], number=picture["number"])

    def settle(self) -> list[dict[str, Any]]:
        """Everything the server had for the page when it was asked, pictures alone."""
        self.say("ping", at=1.5)
        found = []
        while True:
            one = self.socket.recv(timeout=WAIT_S)
            if isinstance(one, str) and json.loads(one)["type"] == "pong":
                return found
            if isinstance(one, bytes):
                found.append(json.loads(one[4 : 4 + int.from_bytes(one[:4], "big")]))


@contextmanager
def page(shown: Shown, **more: Any) -> Iterator[Page]:
    with connect(f"ws://{shown.server.url.split('/')[2]}/socket", max_size=8 * 2**20, max_queue=None, **more) as client:
        found = Page(client)
        found.next("hello")
        yield found


def get(shown: Shown, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    host, port = "127.0.0.1", int(shown.server.url.split("/")[2].rsplit(":", 1)[1])
    client = http.client.HTTPConnection(host, port, timeout=WAIT_S)
    try:
        client.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = client.getresponse()
        answer.body = answer.read().decode()  # type: ignore[attr-defined]  # kept for the test
        return answer
    finally:
        client.close()


# --- what a page gets ----------------------------------------------------------------------


def test_a_jpeg_is_passed_on_byte_for_byte(show: Show) -> None:
    shown = show("cam/1")
    with page(shown) as one:
        frame = shown.put("cam/1", jpeg(), 41)
        picture = one.next("picture")
    assert picture["body"] == frame.payload
    assert (picture["stream"], picture["source"], picture["sequence"]) == ("cam/1", "belt", 41)
    assert picture["time"] == pytest.approx(frame.time_ns / 1e6, abs=0.001)


def test_a_raw_picture_is_encoded_once_for_all_pages(show: Show) -> None:
    shown = show("cam/1")
    with page(shown) as one, page(shown) as other:
        raw = {"width": "32", "height": "16", "format": "rgb8"}
        shown.put("cam/1", bytes(BLUE) * 512, media_type="image/x-raw", headers=raw)
        bodies = [one.next("picture")["body"], other.next("picture")["body"]]
    assert bodies[0] == bodies[1]
    red, _, blue = open_picture(bodies[0]).pixels(1, 1)[0, 0]
    assert blue > 180 > 60 > red


def test_who_comes_late_begins_with_the_last_picture_and_the_last_note(show: Show) -> None:
    shown = show("cam/1", "words")
    with page(shown) as first:
        shown.put("words", b"hello", media_type="text/plain")
        shown.put("cam/1", jpeg(), 5)
        first.next("picture")
    with page(shown) as late:
        assert late.next("notes")["notes"][0]["text"] == "hello"
        assert late.next("picture")["sequence"] == 5


def test_boxes_come_clean_and_with_their_colours(show: Show) -> None:
    shown = show("labels")
    found = {"label": "bolt\x1b[2J", "score": 10**400, "box": [0, -5, 0.5, 2]}
    document = json.dumps({"boxes": [found, {"box": "nonsense"}, 7]}).encode()
    with page(shown) as one:
        shown.put("labels", document, 3, media_type="application/json")
        (told,) = one.next("notes")["notes"]
    (box,) = told["boxes"]
    assert box["box"] == [0, 0, 0.5, 1]
    assert "\x1b" not in box["label"]
    assert box["score"] is None
    assert box["colour"].startswith("#")
    assert (told["left_out"], told["sequence"], told["source"]) == (2, 3, "belt")


def test_what_is_no_text_is_named_and_long_text_is_cut(show: Show) -> None:
    shown = show("**")
    with page(shown) as one:
        shown.put("a", bytes(3000), media_type="application/x-tensor")
        assert one.next("notes")["notes"][0]["text"] == "application/x-tensor, 2.9 KiB"
        one.say("noted", number=1)
        shown.put("b", b"x" * 10_000, media_type="text/plain")
        text = one.next("notes")["notes"][0]["text"]
        assert text == "x" * 4096 + " … (9.8 KiB in all)"


def test_the_state_says_what_is_published_what_came_and_what_is_missing(show: Show) -> None:
    shown = show("cam/1", "cam/2")
    shown.put("cam/1", b"no picture at all", 0)
    with page(shown) as one:
        shown.put("cam/1", jpeg()[:-2][:30], 1)
        state = one.next("state")
        while state["streams"].get("cam/1", {}).get("damaged") != 1:
            state = one.next("state")
        told = state["streams"]["cam/1"]
        assert (told["publishers"], told["frames"], told["bad"]) == (1, 2, True)
        assert "damaged" in told["reason"]
        assert state["missing"] == ["cam/2"]
        assert state["counters"]["received"] == 2


# --- a page that is slow -------------------------------------------------------------------


def test_a_page_that_draws_nothing_gets_two_pictures_and_then_the_newest(show: Show) -> None:
    shown = show("cam/1")
    with page(shown) as slow, page(shown) as quick:
        for number in range(20):
            shown.put("cam/1", jpeg(), number)
            picture = quick.next("picture")
            assert picture["sequence"] == number
            assert picture["dropped"] == 0
            quick.drawn(picture)
        got = slow.settle()
        assert [one["sequence"] for one in got] == [0, 1]
        assert len(got) == WINDOW
        slow.say("drawn", stream="cam/1", number=2)
        newest = slow.next("picture")
        assert (newest["sequence"], newest["dropped"]) == (19, 17)


def test_a_page_that_does_not_even_read_costs_the_others_nothing(show: Show) -> None:
    shown = show("cam/1")
    large = jpeg(size=(64, 64)) + bytes(3 * 2**20)  # more than sockets hold
    with socket.create_connection(("127.0.0.1", int(shown.address.split(":")[1])), timeout=WAIT_S) as deaf:
        upgrade = "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        deaf.sendall(f"{upgrade}Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        assert deaf.recv(12) == b"HTTP/1.1 101"
        with page(shown) as quick:
            for number in range(10):
                shown.put("cam/1", large, number)
                picture = quick.next("picture")
                assert picture["sequence"] == number
                quick.drawn(picture)
            assert len(shown.view.viewers) == 2


def test_every_stream_has_its_turn(show: Show) -> None:
    shown = show("cam/*")
    with page(shown) as one:
        for number in range(WINDOW):
            for stream in ("cam/1", "cam/2", "cam/3"):
                shown.put(stream, jpeg(), number)
                assert one.next("picture")["stream"] == stream
        for stream in ("cam/1", "cam/2", "cam/3"):
            shown.put(stream, jpeg(), 9)
        assert one.settle() == []
        for stream in ("cam/3", "cam/1"):
            one.say("drawn", stream=stream, number=1)
            assert one.next("picture")["stream"] == stream


def test_a_page_that_is_hidden_gets_nothing_until_it_is_seen(show: Show) -> None:
    shown = show("cam/1")
    with page(shown) as one:
        one.say("pause", streams=[], hidden=True)
        assert one.settle() == []
        for number in range(3):
            shown.put("cam/1", jpeg(), number)
        with page(shown) as other:
            while (picture := other.next("picture"))["sequence"] != 2:
                other.drawn(picture)
        assert one.settle() == []
        one.say("pause", streams=[], hidden=False)
        assert one.next("picture")["sequence"] == 2


# --- who may see it ------------------------------------------------------------------------


def test_the_page_and_its_files_forbid_what_they_do_not_need(show: Show) -> None:
    shown = show("cam/1")
    answer = get(shown)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] is None
    script = get(shown, "/assets/main.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert get(shown, "/assets/main.js", if_none_match=script.headers["etag"]).status == 304


@pytest.mark.parametrize("path", ["/assets/..%2fguard.py", "/assets/none.js", "/assets/", "/view.html", "/x"])
def test_there_are_no_other_files(show: Show, path: str) -> None:
    assert get(show("cam/1"), path).status == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "10.0.0.1:8440"])
def test_another_name_for_this_machine_is_refused(show: Show, host: str) -> None:
    assert get(show("cam/1"), "/", host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:9", "127.0.0.2", "[::1]:80"])
def test_the_names_of_this_machine_are_served_by_any_port(show: Show, host: str) -> None:
    assert get(show("cam/1"), "/", host=host).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "http://[", ""])
def test_a_page_of_another_server_gets_no_socket(show: Show, origin: str) -> None:
    shown = show("cam/1")
    with pytest.raises(InvalidStatus, match="403"), page(shown, origin=origin):
        pass
    with page(shown, origin=f"http://{shown.server.url.split('/')[2]}"):
        pass


def test_where_others_can_reach_it_there_is_a_token(show: Show) -> None:
    shown = show("cam/1", address="0.0.0.0:0")
    assert len(shown.server.token) >= 32
    assert shown.server.url.endswith(f"/?token={shown.server.token}")
    shown.server.url = shown.server.url.replace(socket.gethostname(), "127.0.0.1")
    for refused in (
        get(shown),
        get(shown, "/?token=wrong"),
        get(shown, "/?" + "token=a&" * 50),
        get(shown, "/", cookie="weft-1=x; a="),
        get(shown, "/session"),
    ):
        assert refused.status == 401
        assert "set-cookie" not in refused.headers
    with pytest.raises(InvalidStatus, match="403"), page(shown):
        pass
    first = get(shown, f"/?token={shown.server.token}", host="edge.example")
    kept = first.headers["set-cookie"]
    assert first.status == 200
    assert "HttpOnly" in kept
    assert "SameSite=Strict" in kept
    cookie = kept.split(";")[0]
    assert get(shown, "/session", cookie=cookie).status == 204
    with page(shown, additional_headers={"cookie": cookie}):
        pass


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        "{",
        '{"type": "drawn"}',
        '{"type": "drawn", "stream": 1, "number": 1}',
        '{"type": "drawn", "stream": "a", "number": "1"}',
        '{"type": "ping", "at": "now"}',
        '{"type": "ping", "at": 1e999}',
        '{"type": "pause", "streams": [1], "hidden": false}',
        '{"type": "other"}',
        "[" * 5000,
        b"bytes",
        "x" * 20_000,
    ],
)
def test_what_is_no_message_of_a_page_ends_its_connection(show: Show, said: str | bytes) -> None:
    shown = show("cam/1")
    with page(shown) as one, page(shown) as other:
        one.socket.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            one.next("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code in {1008, 1009}
        assert other.settle() == []


def test_one_page_too_many_is_told_so(show: Show) -> None:
    shown = show("cam/1")
    with ExitStack() as stack:
        for _ in range(MAX_VIEWERS):
            stack.enter_context(page(shown))
        with pytest.raises(ConnectionClosed) as closed, page(shown):
            pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        assert shown.view.refused == 1


def test_a_port_that_is_taken_and_an_address_that_is_none_are_told(show: Show) -> None:
    shown = show("cam/1")
    with pytest.raises(UnavailableError, match="take another port"):
        PageServer(lambda *_: None, shown.address)  # type: ignore[arg-type,return-value]  # never served
    with pytest.raises(UsageError, match="is no address"):
        PageServer(lambda *_: None, "localhost")  # type: ignore[arg-type,return-value]  # never served


def test_more_streams_than_fit_are_counted(show: Show) -> None:
    shown = show("many/*")
    for number in range(70):
        shown.view.take(Frame(b"", stream=f"many/{number}", media_type="text/plain"))
    with page(shown) as one:
        state = one.next("state")
    assert len(state["streams"]) == 64
    assert state["left_out"] == 6


def test_closing_twice_does_nothing_and_pages_are_told(show: Show) -> None:
    shown = show("cam/1")
    with page(shown) as one:
        shown.server.close()
        shown.server.close()
        with pytest.raises(ConnectionClosed) as closed:
            one.next("nothing")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
