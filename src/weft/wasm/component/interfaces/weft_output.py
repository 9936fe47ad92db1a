"""``weft:function/output``: what the function says of the frame."""

from __future__ import annotations

from weft.core.errors import OutputLimitError
from weft.wasm.component.interface import offered
from weft.wasm.component.interfaces.weft_types import ERROR, WeftInterface
from weft.wasm.component.latin1 import to_bytes
from weft.wasm.component.types import BYTES, STRING, Result
from weft.wasm.stdio_calls import hand_through


class WeftOutput(WeftInterface):
    """Emit bytes, a text or the frame itself. Going over the output limits ends the guest."""

    name = "weft:function/output"

    @offered(STRING, STRING, BYTES, result=Result(None, ERROR))
    def emit(self, stream: str, media_type: str, payload: bytes) -> None:
        """A payload of bytes."""
        media_type = media_type or "application/octet-stream"
        try:
            self.instance.emitted.check(stream, media_type, len(payload))
        except OutputLimitError as error:
            self.end(error)
        self.instance.emitted.add(self.instance.frame.derive(payload, media_type=media_type, stream=stream))

    @offered(STRING, STRING, STRING, result=Result(None, ERROR))
    def emit_text(self, stream: str, media_type: str, payload: str) -> None:
        """A payload of text."""
        self.emit(stream, media_type or "text/plain", payload.encode())

    @offered(STRING, STRING, STRING, result=Result(None, ERROR))
    def emit_latin1(self, stream: str, media_type: str, payload: str) -> None:
        """A payload of bytes, as text."""
        self.emit(stream, media_type, to_bytes(payload))

    @offered(STRING, STRING, result=Result(None, ERROR))
    def emit_frame(self, stream: str, media_type: str) -> None:
        """The frame itself, which does not cross; without a media type it keeps its own."""
        try:
            hand_through(self.instance, stream, media_type)
        except OutputLimitError as error:
            self.end(error)
