"""``weft:function/frame``: the frame that is being handled."""

from __future__ import annotations

from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.weft_types import WeftInterface
from weft.wasm.component.latin1 import MAX_LIST, to_text
from weft.wasm.component.types import BYTES, STRING, U64, List, Option, Tuple


class WeftFrame(WeftInterface):
    """The frame's payload, name, headers and time."""

    name = "weft:function/frame"
    takes_frame = True

    @offered(result=U64)
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.instance.frame.payload)

    @offered(U64, U64, result=BYTES)
    def read(self, offset: int, length: int) -> memoryview:
        """At most ``length`` bytes, and at most ``MAX_LIST``."""
        return memoryview(self.instance.frame.payload)[offset:][: min(length, MAX_LIST)]

    @offered(U64, U64, result=STRING)
    def read_latin1(self, offset: int, length: int) -> str:
        """At most ``length`` bytes, as text."""
        return to_text(memoryview(self.instance.frame.payload)[offset:][:length])

    @offered(result=STRING)
    def text(self) -> str:
        """The payload as UTF-8."""
        return self.instance.frame.payload.decode(errors="replace")

    @offered(result=STRING)
    def stream_name(self) -> str:
        """The stream's name."""
        return self.instance.frame.stream

    @offered(result=STRING)
    def media_type(self) -> str:
        """The payload's media type."""
        return self.instance.frame.media_type

    @offered(STRING, result=Option(STRING))
    def header(self, name: str) -> str | None:
        """A header's value."""
        return self.instance.frame.header(name)

    @offered(result=List(Tuple((STRING, STRING))))
    def headers(self) -> list[tuple[str, str]]:
        """All headers."""
        return list(self.instance.frame.headers.items())

    @offered(result=U64)
    def sequence(self) -> int:
        """The frame's number at its source."""
        return self.instance.frame.sequence

    @offered(result=U64)
    def time(self) -> int:
        """Nanoseconds since the epoch."""
        return self.instance.frame.time_ns
