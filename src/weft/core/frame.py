"""Frame: one message of a stream, the one thing everything passes on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from weft.core.clock import now_ns
from weft.core.errors import UsageError
from weft.core.picture import Picture
from weft.core.traceparent import HEADER, TraceParent, made_from, read

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Frame:
    """A payload with its media type, stream, sequence, time and headers.

    A frame that came from a camera or a video carries the decoded ``picture``; its ``payload`` is then
    encoded only when somebody reads it, so that a function which asks the host for pixels costs no JPEG.

    Attributes:
        media_type: what the payload is, e.g. ``image/jpeg`` or ``application/json``.
        stream: the stream's name.
        source: the name of the source it comes from. What a function emits keeps it.
        sequence: the number of the frame at its source, from 0. What a function emits keeps it; only together
            with the source it tells one frame from another.
        time_ns: when the source took the frame, nanoseconds since the epoch.
        headers: text values that travel with the frame.
        picture: the decoded picture, where the source had one.
    """

    __slots__ = ("_payload", "headers", "media_type", "picture", "sequence", "source", "stream", "time_ns")

    def __init__(
        self,
        payload: bytes | bytearray | memoryview | None = None,
        *,
        media_type: str = "application/octet-stream",
        stream: str = "",
        source: str = "",
        sequence: int = 0,
        time_ns: int | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        picture: Picture | None = None,
    ) -> None:
        if type(payload) is not bytes:
            payload = _checked(payload, picture)
        self._payload = payload
        self.media_type = media_type
        self.stream = stream
        self.source = source
        self.sequence = sequence
        self.time_ns = now_ns() if time_ns is None else time_ns
        self.headers = headers
        self.picture = picture

    @staticmethod
    def made(
        payload: bytes,
        media_type: str,
        stream: str,
        source: str,
        sequence: int,
        time_ns: int,
        headers: Mapping[str, str],
    ) -> Frame:
        """A frame of which everything is known: for many small ones, as it takes a third of the time of ``Frame()``."""
        frame = Frame.__new__(Frame)
        frame._payload = payload
        frame.media_type = media_type
        frame.stream = stream
        frame.source = source
        frame.sequence = sequence
        frame.time_ns = time_ns
        frame.headers = headers
        frame.picture = None
        return frame

    @property
    def payload(self) -> bytes:
        """The bytes; encoded from the picture, once, where the frame came without them."""
        if self._payload is None:
            assert self.picture is not None
            self._payload = self.picture.encode(self.media_type)
        return self._payload

    @property
    def encoded(self) -> bool:
        """True where the payload is there already, and reading it costs nothing."""
        return self._payload is not None

    @property
    def size(self) -> int:
        """Bytes of the payload; 0 where it is a picture that nobody has encoded yet."""
        return 0 if self._payload is None else len(self._payload)

    @property
    def traceparent(self) -> TraceParent:
        """The trace it belongs to: what its headers say, or else one made from its source, sequence and time."""
        return read(self.headers) or made_from(self.source, self.sequence, self.time_ns)

    def header(self, name: str) -> str | None:
        """A header's value; ``traceparent`` is always there."""
        return str(self.traceparent) if name == HEADER else self.headers.get(name)

    def derive(self, payload: bytes, *, media_type: str, stream: str) -> Frame:
        """A new frame that follows from this one: same source, sequence, time and headers."""
        return Frame(
            payload,
            media_type=media_type,
            stream=stream,
            source=self.source,
            sequence=self.sequence,
            time_ns=self.time_ns,
            headers=self.headers,
        )

    def __repr__(self) -> str:
        return f"Frame({self.stream!r} #{self.sequence} {self.media_type})"


def _checked(payload: object, picture: Picture | None) -> bytes | None:
    if payload is None:
        return b"" if picture is None else None
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, bytearray | memoryview):
        return bytes(payload)  # what may change later is no payload
    cure = "encode it: Frame(text.encode())" if isinstance(payload, str) else "give bytes"
    raise UsageError(f"a frame's payload is {type(payload).__name__}", cure=cure)
