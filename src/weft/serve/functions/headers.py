"""Headers both ways: which of a request's a function is told, and which of a frame's become the answer's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from weft.core.frame import Frame
from weft.serve.answers import Header
from weft.wasm.look import media_type_of

STREAM = "weft-stream"
"""In answers: the stream a frame was emitted to, where that is not the function's default output."""

_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect", "host")
)
_BODY = frozenset(("content-length", "content-type", "content-encoding"))
_SECRET = frozenset(
    (
        "authorization",
        "proxy-authorization",
        "proxy-authenticate",
        "www-authenticate",
        "cookie",
        "cookie2",
        "set-cookie",
        "set-cookie2",
        "x-api-key",
        "api-key",
        "x-auth-token",
        "x-csrf-token",
        "x-amz-security-token",
    )
)
_OURS = frozenset(("date", "server", "retry-after", "location", "clear-site-data", "strict-transport-security", STREAM))
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_FORM = "application/x-www-form-urlencoded"
_PICTURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"BM", "image/bmp"))


def frame_headers(headers: Mapping[str, str], query: str) -> dict[str, str]:
    """What a function is told of a request, names in lower case: all but how it travelled and who may ask.

    ``query`` is the text after the address's ``?``, told as ``query`` where there is one.
    """
    named = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    found = {
        name: value
        for name, value in headers.items()
        if name not in _HOP and name not in _BODY and name not in _SECRET and name not in named
    }
    return {**found, "query": query} if query else found


def media_type(headers: Mapping[str, str], body: bytes) -> str:
    """What a body is: its Content-Type, or its look where there is none, or the one curl sends with any bytes."""
    said = headers.get("content-type", "").strip()
    if said and said.partition(";")[0].strip().lower() != _FORM:
        return said
    look = _look(body)
    return said if said and look == "text/plain" else look


def _look(body: bytes) -> str:
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _PICTURES if body.startswith(start)), None) or media_type_of(body)


def answer_headers(frame: Frame, given: Mapping[str, str]) -> Iterator[Header]:
    """The headers of an answer that come from a frame: those its function added or changed, and its stream."""
    if frame.stream:
        yield STREAM.encode(), plain(frame.stream).encode("latin-1")
    for name, value in frame.headers.items():
        if given.get(name) != value and _may_leave(name.lower(), value):
            yield name.lower().encode(), value.encode("latin-1")


def _may_leave(name: str, value: str) -> bool:
    ours = name in _HOP or name in _BODY or name in _SECRET or name in _OURS or name.startswith("access-control-")
    return not ours and bool(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value))


def content_type(frame: Frame) -> Header:
    """A frame's media type as a header."""
    said = plain(frame.media_type)
    return b"content-type", (said or "application/octet-stream").encode("latin-1")


def plain(text: str) -> str:
    """Text as a header can have it: what does not fit becomes ``?``."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text[:256])
