"""Many small frames of one publisher in one message: what costs a microsecond each does not cost ten.

Frames are gathered only while they come faster than one a millisecond for longer than a burst, so that a lone frame,
or a few, go at once. A batch is a message of its kind with the header of its first frame; the payload is the number of
frames, u32, an index of sequence i64, time i64 and size u32 for each of them, little endian, and their payloads. The
numbers follow each other. A publisher keeps batches as it sent them, and takes apart what only a part of is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from weft.core.clock import monotonic
from weft.core.errors import InputError
from weft.core.frame import Frame
from weft.stream.wire import SEQUENCE_AND_TIME, TAIL, Header, HeaderWriter, Kind, number_of, of_frame, of_kind, unfit

Message = tuple[bytes, bytes]
"""Header and payload, as they are sent."""

Send = Callable[[Message, int], object]
"""Is given a message, and how many frames it holds."""

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
_TIMED = _ENTRY.size - _SIZE.size
"""Bytes of sequence and time in an entry."""


class Gatherer:
    """Numbers frames, and decides which go at once and which are gathered; the logic alone, without threads or network.

    While frames are gathered, the least is done for each: only a batch gets a header.

    Attributes:
        sent: how many frames there were, which is the number of the next one.
        since: when the first of those that wait was put.
    """

    def __init__(
        self, header: HeaderWriter, send: Send, first: int = 0, clock: Callable[[], float] = monotonic
    ) -> None:
        """``first``: the number of the first frame. ``clock``: seconds."""
        self.sent = first
        self.since = 0.0
        self._header = header
        self._send = send
        self._clock = clock
        self._head = self._tail = b""
        self._index: list[bytes] = []
        self._payloads: list[bytes] = []
        self._bytes = 0
        self._free_at = 0.0

    @property
    def waits(self) -> bool:
        """Something was gathered that is not sent yet."""
        return bool(self._index)

    def put(self, frame: Frame, payload: bytes) -> bool:
        """Send it, or gather it: after what was put before it in any case. Returns whether anything waits now.

        Raises InputError for one that cannot be sent, which gets no number.
        """
        size, index = len(payload), self._index
        if not index or size > SMALL or self._header.tail(frame) != self._tail:
            return self._begin(frame, payload)
        try:
            index.append(_ENTRY.pack(frame.sequence, frame.time_ns, size))
        except struct.error:
            raise unfit(frame) from None
        self._payloads.append(payload)
        self._bytes += size
        self.sent += 1
        if self._bytes >= MOST_BYTES - SMALL or len(index) >= MOST_FRAMES:
            self.flush()
        return bool(index)

    def flush(self) -> None:
        """Send what was gathered."""
        if not self._index:
            return
        frames, message = len(self._index), _message(self._head, self._index, self._payloads)
        self._index.clear()
        self._payloads.clear()
        self._bytes = 0
        now = self._clock()
        self._free_at = min(max(self._free_at, now) + GATHER_S, now + BURST_S + GATHER_S)
        self._send(message, frames)

    def _begin(self, frame: Frame, payload: bytes) -> bool:
        """Send it by itself, or as the first of a batch, after what was gathered before."""
        header = self._header.write(frame, self.sent)
        self.sent += 1
        try:
            self.flush()
        finally:  # it has its number, also when what was gathered cannot be sent
            now = self._clock()
            if len(payload) > SMALL or now >= self._free_at - BURST_S:
                self._free_at = max(self._free_at, now) + GATHER_S
                self._send((header, payload), 1)
            else:
                self.since, self._head, self._tail = now, header, self._header.tail(frame)
                self._index.append(header[SEQUENCE_AND_TIME] + _SIZE.pack(len(payload)))
                self._payloads.append(payload)
                self._bytes = len(payload)
        return self.waits


def bundled(messages: Iterable[tuple[int, Message]], first: int, last: int) -> Iterator[Message]:
    """The frames ``first`` to ``last`` of messages in order; small ones that follow each other as batches."""
    gathered: list[Message] = []
    size, due = 0, -1
    for number, found in messages:
        header, payload = message = _within(found, number, first, last)
        small = len(payload) <= SMALL and not _is_batch(message)
        fits = small and size + len(payload) <= MOST_BYTES - SMALL and len(gathered) < MOST_FRAMES
        if gathered and not (fits and number == due and header[TAIL] == gathered[0][0][TAIL]):
            yield joined(gathered)
            gathered, size = [], 0
        gathered.append(message)
        size, due = size + len(payload), number + 1 if small else -1
    if gathered:
        yield joined(gathered)


def joined(messages: list[Message]) -> Message:
    """One message for several of one frame each."""
    index = [header[SEQUENCE_AND_TIME] + _SIZE.pack(len(payload)) for header, payload in messages]
    return _message(messages[0][0], index, [payload for _, payload in messages]) if len(messages) > 1 else messages[0]


def apart(message: Message) -> list[Message]:
    """The frames of a message, as messages of their own."""
    header, payload = message
    if not _is_batch(message):
        return [message]
    singles, number, at = [], number_of(header), _COUNT.size + frames_in(message) * _ENTRY.size
    for place in range(_COUNT.size, at, _ENTRY.size):
        (size,) = _SIZE.unpack_from(payload, place + _TIMED)
        singles.append((of_frame(header, payload[place : place + _TIMED], number), payload[at : at + size]))
        number, at = number + 1, at + size
    return singles


def frames_in(message: Message) -> int:
    """How many frames a message holds."""
    return int(_COUNT.unpack_from(message[1])[0]) if _is_batch(message) else 1


def _within(message: Message, number: int, first: int, last: int) -> Message:
    """What a message that begins with this number holds of the frames ``first`` to ``last``, which is something."""
    if first <= number and number + frames_in(message) - 1 <= last:
        return message
    return joined(apart(message)[max(0, first - number) : last - number + 1])


def _is_batch(message: Message) -> bool:
    return message[0][1] == Kind.BATCH


def _message(head: bytes, index: list[bytes], payloads: list[bytes]) -> Message:
    """One message for the frames of an index, the first of which has the header ``head``."""
    if len(index) == 1:
        return head, payloads[0]
    return of_kind(Kind.BATCH, head), b"".join((_COUNT.pack(len(index)), *index, *payloads))


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
        end = at + size
        frames.append(Frame.made(payload[at:end], media_type, stream, source, sequence, time_ns, headers))
        at = end
    if at != len(payload):
        raise _malformed(stream)
    return frames


def _malformed(stream: str) -> InputError:
    return InputError("a malformed batch of frames", where=stream, cure="is the sender a Weft of this version?")
