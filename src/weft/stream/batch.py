"""Many small frames of one publisher in one message: what costs a microsecond each does not cost ten.

Frames are gathered only while they come faster than one a millisecond for longer than a burst, so that a lone frame,
or a few, go at once. A batch is a message of its kind with the header of its first frame; the payload is the number of
frames, u32, an index of sequence i64, time i64 and size u32 for each of them, little endian, and their payloads. The
numbers follow each other. Whoever keeps or sends again what was sent does so frame by frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.stream.wire import SEQUENCE_AND_TIME, TAIL, Header, Kind, of_kind

Message = tuple[bytes, bytes]
"""Header and payload, as they are sent."""

SMALL = 4096
"""Bytes; larger frames go by themselves."""

MOST_FRAMES = 128
MOST_BYTES = 48 * 1024
"""A batch fits one packet of Zenoh, which holds 64 KiB."""

GATHER_S = 0.001
"""A gathered frame waits no longer, as far as threads are on time."""

BURST_S = 16 * GATHER_S
"""So many frames, one for each millisecond, go at once before any are gathered."""

_MOST_READ = 4096
_COUNT, _ENTRY, _SIZE = struct.Struct("<I"), struct.Struct("<qqI"), struct.Struct("<I")


class Gatherer:
    """Decides what goes at once and what is gathered; the logic alone, without threads, clocks or network.

    Attributes:
        since: when the first of those that wait was put.
    """

    def __init__(self, send: Callable[[bytes, bytes], object]) -> None:
        """``send`` is given payload and header."""
        self.since = 0.0
        self._send = send
        self._waiting: list[Message] = []
        self._tail = b""
        self._bytes = 0
        self._free_at = 0.0

    @property
    def waits(self) -> bool:
        """Something was gathered that is not sent yet."""
        return bool(self._waiting)

    def put(self, header: bytes, payload: bytes, now: float) -> bool:
        """Send it, or gather it: after what was put before it in any case. Returns whether anything waits now."""
        waiting = self._waiting
        size = len(payload)
        if waiting and (size > SMALL or header[TAIL] != self._tail):
            self.flush(now)
        if not waiting:
            if size > SMALL or now >= self._free_at - BURST_S:
                self._free_at = max(self._free_at, now) + GATHER_S
                self._send(payload, header)
                return False
            self.since, self._tail = now, header[TAIL]
        waiting.append((header, payload))
        self._bytes += size
        if self._bytes >= MOST_BYTES - SMALL or len(waiting) >= MOST_FRAMES:
            self.flush(now)
            return False
        return True

    def flush(self, now: float) -> None:
        """Send what was gathered."""
        if not self._waiting:
            return
        gathered = self._waiting[:]
        self._waiting.clear()
        self._bytes = 0
        self._free_at = min(max(self._free_at, now) + GATHER_S, now + BURST_S + GATHER_S)
        header, payload = joined(gathered)
        self._send(payload, header)


def bundled(messages: Iterable[tuple[int, Message]]) -> Iterator[Message]:
    """Messages with their numbers, in order; small ones that follow each other as batches."""
    gathered: list[Message] = []
    size, due = 0, -1
    for number, message in messages:
        header, payload = message
        fits = len(payload) <= SMALL and size + len(payload) <= MOST_BYTES - SMALL and len(gathered) < MOST_FRAMES
        if gathered and not (fits and number == due and header[TAIL] == gathered[0][0][TAIL]):
            yield joined(gathered)
            gathered, size = [], 0
        gathered.append(message)
        size, due = size + len(payload), number + 1
    if gathered:
        yield joined(gathered)


def joined(messages: list[Message]) -> Message:
    """One message for several."""
    if len(messages) == 1:
        return messages[0]
    return of_kind(Kind.BATCH, messages[0][0]), pack(messages)


def pack(messages: list[Message]) -> bytes:
    """The payload of a batch."""
    index = [header[SEQUENCE_AND_TIME] + _SIZE.pack(len(payload)) for header, payload in messages]
    return b"".join((_COUNT.pack(len(messages)), *index, *[payload for _, payload in messages]))


def unpack(header: Header, payload: bytes, stream: str) -> list[Frame]:
    """The frames of a batch, in order. Raises InputError when it is malformed."""
    count = _COUNT.unpack_from(payload)[0] if len(payload) >= _COUNT.size else 0
    at = _COUNT.size + count * _ENTRY.size
    if not 0 < count <= _MOST_READ or at > len(payload):
        raise _malformed(stream)
    tail = header.tail
    media_type, source, headers = tail.media_type, tail.source, tail.headers
    frames = []
    for sequence, time_ns, size in _ENTRY.iter_unpack(memoryview(payload)[_COUNT.size : at]):
        frames.append(
            Frame(
                payload[at : at + size],
                media_type=media_type,
                stream=stream,
                source=source,
                sequence=sequence,
                time_ns=time_ns,
                headers=headers,
            )
        )
        at += size
    if at != len(payload):
        raise _malformed(stream)
    return frames


def _malformed(stream: str) -> InputError:
    return InputError("a malformed batch of frames", where=stream, cure="is the sender a Weft of this version?")
