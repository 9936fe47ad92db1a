"""What a guest emits for one frame, within its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.core.emitting import taker
from weft.core.errors import NotFoundError, OutputLimitError, UsageError
from weft.core.frame import Frame
from weft.core.suggest import did_you_mean
from weft.core.units import format_size

if TYPE_CHECKING:
    from weft.wasm.program import Settings


class Emitted:
    """The frames a guest emits for one frame, within its limits."""

    __slots__ = ("_bytes", "_settings", "_take", "frames")

    def __init__(self, settings: Settings) -> None:
        self.frames: list[Frame] = []
        self._bytes = 0
        self._settings = settings
        self._take = taker()

    def check(self, stream: str, media_type: str, size: int) -> None:
        """Raise what speaks against emitting a payload of ``size`` bytes.

        OutputLimitError over a limit, NotFoundError for a stream that is none of the function's, and UsageError
        for a name or media type that is no plain text.
        """
        limits, outputs, name = self._settings.limits, self._settings.outputs, self._settings.name
        if not (stream.isprintable() and media_type.isprintable()):
            raise UsageError("a stream or media type with control characters", where=name, cure="emit plain text")
        if stream and outputs and stream not in outputs:
            cure = did_you_mean(stream, outputs) or f"add '{stream}' to outputs of function '{name}'"
            raise NotFoundError(f"emits to stream '{stream}', which is none of its outputs", where=name, cure=cure)
        if len(self.frames) >= limits.emits:
            raise OutputLimitError(
                f"emitted more than {limits.emits} frames for one", where=name, cure="raise limits.emits"
            )
        if self._bytes + size > limits.output:
            raise OutputLimitError(
                f"emitted more than {format_size(limits.output)} for one frame", where=name, cure="raise limits.output"
            )

    def add(self, frame: Frame) -> None:
        """Keep a frame that was checked."""
        self._bytes += len(frame.payload)
        self.hand_on(frame)

    def hand_on(self, frame: Frame) -> None:
        """Keep a frame that was checked and is held already, so that its payload does not count."""
        self.frames.append(frame)
        if self._take is not None:
            self._take(frame)
