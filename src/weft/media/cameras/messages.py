"""What a camera's decoder and its owner tell each other: JSON in packets, each side strict about what it takes.

The owner sends one :class:`Job`, then ``NEXT`` for every picture it wants. The decoder answers with a
:class:`Shown` for each picture it laid into the slot, and in the end with a :class:`Lost` or an :class:`Ended`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from weft.core.address import redacted
from weft.core.errors import MediaError, NotFoundError, UnavailableError, WeftError
from weft.core.text import visible

NEXT = b"next"
MAX_MESSAGE = 65_536
MAX_TEXT = 1_000
MAX_PLANES = 4

_ERRORS = {kind.__name__: kind for kind in (MediaError, NotFoundError, UnavailableError)}


@dataclass(frozen=True, slots=True)
class Job:
    """What to decode.

    Attributes:
        kind: device, network or file.
        target: what FFmpeg opens; secret.
        shown: what messages call it.
        options: FFmpeg's, for opening it.
        loop: a file begins again at its end.
    """

    kind: str
    target: str = field(repr=False)
    shown: str
    options: Mapping[str, str]
    loop: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that lies in the slot, as the decoder made it.

    Attributes:
        width: pixels across, as stored.
        height: pixels down, as stored.
        format: FFmpeg's name of the pixel format.
        planes: for each plane, one behind the other, the bytes of a row and the number of rows.
        colours: FFmpeg's numbers for matrix, range, primaries and transfer.
        rotation: what the display matrix says, in degrees.
        time_ns: when it was decoded, nanoseconds since the epoch.
        dropped: pictures given up so far, by this decoder, because newer ones came before they were wanted.
        damaged: packets so far that did not decode.
    """

    width: int
    height: int
    format: str
    planes: tuple[tuple[int, int], ...]
    colours: tuple[int, int, int, int]
    rotation: int
    time_ns: int
    dropped: int
    damaged: int

    @property
    def size(self) -> int:
        """Bytes in the slot."""
        return sum(row * rows for row, rows in self.planes)


@dataclass(frozen=True, slots=True)
class Lost:
    """The camera is not there, or not any more."""

    error: str
    what: str
    cure: str

    @classmethod
    def of(cls, error: WeftError) -> Lost:
        """The message for an error."""
        return cls(type(error).__name__, error.what[:MAX_TEXT], error.cure[:MAX_TEXT])

    def raised(self, where: str) -> WeftError:
        """The error again."""
        return _ERRORS.get(self.error, UnavailableError)(self.what, where=where, cure=self.cure)


@dataclass(frozen=True, slots=True)
class Ended:
    """The file is at its end."""


Message = Job | Shown | Lost | Ended

_KINDS: dict[str, type[Message]] = {"job": Job, "shown": Shown, "lost": Lost, "ended": Ended}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def packed(message: Message) -> bytes:
    """A message as it travels."""
    return json.dumps({"is": _NAMES[type(message)], **asdict(message)}).encode()


def unpacked(data: bytes) -> Message:
    """The message in a packet. Raises ValueError for anything that is none."""
    try:
        found = json.loads(data)
        message = _KINDS[found.pop("is")](**found)
        return _CHECKS.get(type(message), _as_it_is)(message)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("no message") from error


def _as_it_is(message: Any) -> Message:
    checked: Message = message
    return checked


def _shown(raw: Any) -> Message:
    planes = tuple((_count(row), _count(rows)) for row, rows in raw.planes)
    matrix, span, primaries, transfer = (_count(number, 255) for number in raw.colours)
    if not 0 < len(planes) <= MAX_PLANES or not isinstance(raw.format, str) or type(raw.rotation) is not int:
        raise ValueError("a picture without planes, a format or a rotation")
    counts = map(_count, (raw.time_ns, raw.dropped, raw.damaged))
    colours = (matrix, span, primaries, transfer)
    return Shown(_count(raw.width), _count(raw.height), raw.format, planes, colours, raw.rotation, *counts)


def _lost(raw: Any) -> Message:
    if not all(isinstance(text, str) for text in (raw.error, raw.what, raw.cure)):
        raise ValueError("a trouble that is no text")
    return Lost(raw.error, visible(redacted(raw.what[:MAX_TEXT])), visible(raw.cure[:MAX_TEXT]))


def _count(value: Any, most: int = 2**63 - 1) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("a count that is none")
    return value


_CHECKS: dict[type[Message], Callable[[Any], Message]] = {Shown: _shown, Lost: _lost}
