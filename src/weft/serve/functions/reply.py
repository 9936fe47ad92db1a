"""What a function emitted as an HTTP answer: one frame as it is, several as parts, none as 204."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from weft.core.frame import Frame
from weft.serve.answers import Header
from weft.serve.call import Piece
from weft.serve.functions import cloudevents
from weft.serve.functions.cloudevents import Mode
from weft.serve.functions.headers import answer_headers, content_type

Answer = tuple[int, list[Piece], list[Header]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a frame, and how it wants its answer.

    Attributes:
        frame: what the function is given.
        mode: as which kind of CloudEvent it is answered; empty for none.
        streamed: whether it takes each frame as an event of a stream.
        source: the ``source`` of events that are answered.
    """

    frame: Frame
    mode: Mode
    streamed: bool
    source: str


def reply(emitted: Sequence[Frame], asked: Asked) -> Answer:
    """Status, body and headers."""
    if not emitted:
        return 204, [], []
    if asked.mode == "structured":
        return _structured(emitted, asked)
    if len(emitted) == 1:
        frame = emitted[0]
        return 200, [frame.payload], [content_type(frame), *_headers(frame, asked)]
    return _parts(emitted, asked)


def _headers(frame: Frame, asked: Asked) -> Iterator[Header]:
    given = asked.frame.headers
    for name, value in answer_headers(frame, given):
        if not name.startswith(b"ce-"):
            yield name, value
    if asked.mode == "binary":
        yield from cloudevents.binary_headers(cloudevents.attributes(frame, given, asked.source))


def _structured(emitted: Sequence[Frame], asked: Asked) -> Answer:
    given = asked.frame.headers
    events = [cloudevents.document(frame, cloudevents.attributes(frame, given, asked.source)) for frame in emitted]
    kind, body = (cloudevents.STRUCTURED, events[0]) if len(events) == 1 else (cloudevents.BATCH, events)
    return 200, [msgspec.json.encode(body)], [(b"content-type", f"{kind}; charset=utf-8".encode())]


def _parts(emitted: Sequence[Frame], asked: Asked) -> Answer:
    boundary = secrets.token_hex(16).encode()
    pieces: list[Piece] = []
    for frame in emitted:
        lines = [b"%s: %s" % header for header in (content_type(frame), *_headers(frame, asked))]
        pieces += [b"--%s\r\n%s\r\n\r\n" % (boundary, b"\r\n".join(lines)), frame.payload, b"\r\n"]
    pieces.append(b"--%s--\r\n" % boundary)
    return 200, pieces, [(b"content-type", b"multipart/mixed; boundary=" + boundary)]


def wanted_mode(mode: Mode, headers: Mapping[str, str]) -> Mode:
    """How events are answered: as they came, or as ``Accept`` says."""
    return "structured" if cloudevents.STRUCTURED in headers.get("accept", "").lower() else mode
